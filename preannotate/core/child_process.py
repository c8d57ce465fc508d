"""One of our own commands as a child process: its memory goes back with it, and its end by the system is a sentence.

`python -m preannotate.core.child_process PARENT COMMAND …` is the child's side: it ends when its parent does, be it by
`kill -9`, so that two processes never train in one folder.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence

from tqdm import tqdm

from preannotate.registry.errors import LoopError

# Between two looks at the child: what its progress is shown by.
LOOK_SECONDS = 0.5
# A training that is stopped ends after its step; an engine that hangs does not.
GRACE_SECONDS = 30.0
CHECK_FAILED = 1
_PARENT_LOOK_SECONDS = 0.3
_ERROR = "error: "
# What the run itself says, with its own way to go on.
_OWN = (_ERROR, "stopped; ")
_KILLED = (-signal.SIGKILL, 128 + signal.SIGKILL)


class CheckFailedError(LoopError):
    """A command ran, and what it looked at is not as it must be."""


def run(
    arguments: Sequence[str],
    *,
    held: int | None = None,
    look: Callable[[], object] = lambda: None,
    remedy: str = "",
) -> str:
    """Run `preannotate ARGUMENTS` to its end; what it says goes to stderr.

    Args:
        arguments: Of the command line.
        held: Descriptor of a lock that the child holds as well, as long as it lives.
        look: Called again and again meanwhile.
        remedy: What helps against a lack of memory.

    Returns:
        What the command printed on standard output.

    Raises:
        CheckFailedError: It exited with 1; its own sentence.
        LoopError: It could not run; its own sentence, or one about its end.
        KeyboardInterrupt: Somebody stopped it, or this process.
    """
    # A session of its own: Ctrl-C on the terminal reaches it once, by this process.
    process = subprocess.Popen(
        [sys.executable, "-m", "preannotate.core.child_process", str(os.getpid()), *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        pass_fds=() if held is None else (held,),
        start_new_session=True,
    )
    said, printed = _Listener(process.stderr, aloud=True), _Listener(process.stdout, aloud=False)
    try:
        while process.poll() is None:
            look()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(LOOK_SECONDS)
        look()
    finally:
        _stop(process)
        said.join(), printed.join()
    if process.returncode:
        raise _failure(arguments[0], process.returncode, said.lines, remedy)
    return "\n".join(printed.lines)


def _stop(process: subprocess.Popen) -> None:
    """End the child in its own way; at the latest after a while."""
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGINT)
    try:
        process.wait(GRACE_SECONDS)
    except subprocess.TimeoutExpired:  # compiles, or hangs; what is on the disk is whole at any moment
        process.kill()
        process.wait()
    except BaseException:  # somebody does not want to wait
        process.kill()
        process.wait()
        raise


def _failure(command: str, code: int, lines: Sequence[str], remedy: str) -> BaseException:
    if code in (130, -signal.SIGINT, -signal.SIGTERM):
        return KeyboardInterrupt()
    sentence = next((line.removeprefix(_ERROR) for line in reversed(lines) if line.startswith(_ERROR)), "")
    if code in _KILLED:
        return LoopError(
            f"{command}: the system ended it (SIGKILL), most likely for lack of memory; expected its end. "
            f"{remedy or 'Free memory'}, then give the same command again."
        )
    if sentence:
        return (CheckFailedError if code == CHECK_FAILED else LoopError)(sentence)
    last = next((line.strip() for line in reversed(lines) if line.strip()), "without a word")
    how = f"exit code {code}" if code > 0 else f"ended by {signal.Signals(-code).name}"
    return LoopError(
        f"{command}: {how} ({last}); expected 0. This is a fault of the program; the lines above tell where it is."
    )


class _Listener:
    """Reads a stream to its end, so that the child never waits for a reader."""

    def __init__(self, stream: object, *, aloud: bool) -> None:
        self._stream, self._aloud = stream, aloud
        self.lines: list[str] = []
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def join(self) -> None:
        """Wait for the end of the stream; a grandchild may keep it open a little longer."""
        self._thread.join(GRACE_SECONDS)

    def _read(self) -> None:
        for raw in self._stream:
            line = raw.decode("utf-8", "replace").rstrip()
            self.lines.append(line)
            if self._aloud and line and not line.startswith(_OWN):
                tqdm.write(line, file=sys.stderr)


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_PARENT_LOOK_SECONDS)
    os.kill(os.getpid(), signal.SIGKILL)  # as its parent ended: what is on the disk is whole at any moment


@contextlib.contextmanager
def terminable() -> Iterator[None]:
    """Inside, SIGTERM is what Ctrl-C is: a KeyboardInterrupt; so is SIGINT where a shell's `&` has it ignored."""
    before = {number: signal.signal(number, signal.default_int_handler) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Thread(target=_watch, args=(int(sys.argv[1]),), daemon=True).start()
    from preannotate.cli.main import main

    sys.exit(main(sys.argv[2:]))
