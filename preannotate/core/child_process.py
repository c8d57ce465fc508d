"""The supervised child process: started, watched, stopped in steps, and its end described in one sentence.

Every program that this project starts is started here. A child has a session of its own (Ctrl-C reaches it through its
parent, once), its streams are read all the time, so that it never waits for a reader, and what it leaves behind in its
process group ends with it.

`python -m preannotate.core.child_process PARENT_PID MODULE ARGUMENT …` is the child's side for modules of ours: it runs
MODULE as `python -m` would, and ends as soon as its parent has, even by `kill -9`: two processes must never train in
one folder.
"""

import contextlib
import math
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Self, TypedDict, Unpack, cast

from preannotate.core.errors import PreannotateError

POLL_SECONDS = 0.5
TOOL_SECONDS = 10.0
# A training that is interrupted ends after its step; an engine that hangs does not. SIGKILL follows the last step.
STOP_STEPS: Sequence[tuple[signal.Signals, float]] = ((signal.SIGINT, 30.0), (signal.SIGTERM, 5.0))
CHECK_FAILED = 1
INTERRUPTED = 130
# Of each stream. The longest that is needed whole is what `docker inspect` and manifests print.
_MAX_KEPT_BYTES = 16 * 1024 * 1024
# A grandchild in a session of its own may keep a stream open for longer than the child lives.
_STREAM_SECONDS = 1.0
_PARENT_POLL_SECONDS = 0.3
_ERROR_PREFIX = "error: "
# The parent reports the error itself, and has its own advice on how to continue.
_NOT_FORWARDED = (_ERROR_PREFIX, "stopped; ")
_KILLED = (-signal.SIGKILL, 128 + signal.SIGKILL)
_OUT_OF_MEMORY = "ended by the system (SIGKILL), most likely for lack of memory"


class ChildError(PreannotateError, RuntimeError):
    """A child process failed; its own sentence, or one about how it ended."""


class CheckFailedError(ChildError):
    """A command of ours ran to its end, and the check that it is for failed (exit code 1)."""


@dataclass(frozen=True)
class Result:
    """How a child process ended, and the end of what it printed.

    Attributes:
        code: Exit code; negative is the signal that ended it; None if it never ran or took too long.
        stdout: "" if it was not captured; so is stderr.
        not_run: Why `code` is None.
        missing: Whether there is no such program.
    """

    code: int | None
    stdout: str = ""
    stderr: str = ""
    not_run: str = ""
    missing: bool = False

    @property
    def interrupted(self) -> bool:
        """Whether SIGINT or SIGTERM ended it."""
        return self.code in (INTERRUPTED, 128 + signal.SIGTERM, -signal.SIGINT, -signal.SIGTERM)

    @property
    def killed(self) -> bool:
        """Whether SIGKILL ended it, as the system does where memory runs out."""
        return self.code in _KILLED

    @property
    def error(self) -> str:
        """The sentence of the last line `error: …` on its standard error; "" if there is none."""
        return last_error(self.stderr.splitlines())

    @property
    def last_line(self) -> str:
        """The last line of its standard error, or else of its standard output; "" if it printed nothing."""
        lines = (self.stderr.strip() or self.stdout.strip()).splitlines()
        return lines[-1].strip() if lines else ""

    @property
    def ending(self) -> str:
        """How it ended and the last line that it printed: "exit code 1 (ValueError: too small)"."""
        if self.code is None:
            return self.not_run
        return f"{exit_reason(self.code)} ({self.last_line or 'no output'})"

    @property
    def problem(self) -> str:
        """Why it did not end with exit code 0, in a few words and without a full stop; "" if it did."""
        if self.code is None:
            return self.not_run
        return self.last_line if self.code > 0 and self.last_line and not self.killed else exit_reason(self.code)


def exit_reason(code: int) -> str:
    """Return an exit code of a child process in words; "" for 0."""
    if code in _KILLED:
        return _OUT_OF_MEMORY
    if code < 0:
        return f"ended by {signal.Signals(-code).name if -code in set(signal.Signals) else f'signal {-code}'}"
    return f"exit code {code}" if code else ""


def last_error(lines: Sequence[str]) -> str:
    """Return the sentence of the last line `error: …`; "" if there is none."""
    return next((line.removeprefix(_ERROR_PREFIX) for line in reversed(lines) if line.startswith(_ERROR_PREFIX)), "")


class ChildOptions(TypedDict, total=False):
    """Arguments of `ChildProcess`; see there."""

    cwd: Path | None
    env: Mapping[str, str] | None
    pass_fds: Sequence[int]
    given: str | None
    own_session: bool
    stdout: int | IO[Any] | None
    stderr: int | IO[Any] | None
    on_stderr: Callable[[str], object] | None
    max_kept_bytes: int


class ChildProcess:
    """A running program; a context manager that stops it.

    Attributes:
        pid: Of the process, and of its session and process group.
        stopped: Whether `stop`, `kill` or `close` ended it.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        pass_fds: Sequence[int] = (),
        given: str | None = None,
        protocol: bool = False,
        own_session: bool = True,
        stdout: int | IO[Any] | None = subprocess.PIPE,
        stderr: int | IO[Any] | None = subprocess.PIPE,
        on_stderr: Callable[[str], object] | None = None,
        max_kept_bytes: int = _MAX_KEPT_BYTES,
    ) -> None:
        """Start a program.

        Args:
            command: Program and arguments. Other users of the machine can read them: no secrets.
            cwd: Working directory.
            env: All of its environment; None gives it that of this process.
            pass_fds: Descriptors that it inherits, such as that of a lock.
            given: What it reads on its standard input; None is nothing.
            protocol: Leave its standard input and output to the caller, as `stdin` and `stdout`.
            own_session: Whether it leads a session and a process group of its own. Without, signals are sent to it
                alone, and what it leaves behind stays.
            stdout: PIPE captures it, None is where this process's goes, and a file gets it; as for `subprocess`.
            stderr: As `stdout`.
            on_stderr: Called with each line of a captured standard error, in a thread.
            max_kept_bytes: Of each captured stream, so many bytes at its end are kept, and longer lines are cut: no
                child fills the memory.

        Raises:
            OSError: The program does not exist or cannot be run.
        """
        self.stopped = False
        with contextlib.ExitStack() as stack:
            stdin: int | IO[Any] = subprocess.PIPE if protocol else subprocess.DEVNULL
            if given is not None:
                stdin = stack.enter_context(tempfile.TemporaryFile())
                stdin.write(given.encode())
                stdin.seek(0)
            self._process = subprocess.Popen(
                command,
                cwd=cwd,
                env=env,
                stdin=stdin,
                stdout=subprocess.PIPE if protocol else stdout,
                stderr=stderr,
                pass_fds=tuple(pass_fds),
                start_new_session=own_session,
            )
        self.pid = self._process.pid
        self._protocol = protocol
        self._own_session, self._reaped = own_session, False
        try:
            self._stdout = _LineReader(None if protocol else self._process.stdout, None, max_kept_bytes)
            self._stderr = _LineReader(self._process.stderr, on_stderr, max_kept_bytes)
        except BaseException:  # Ctrl-C in this moment: nobody else can stop it yet
            self.stop()
            self._process.wait()
            raise

    @property
    def stdin(self) -> IO[bytes]:
        """What the child reads; only with `protocol`, and to be flushed."""
        return cast(IO[bytes], self._process.stdin)

    @property
    def stdout(self) -> IO[bytes]:
        """What the child writes; only with `protocol`."""
        return cast(IO[bytes], self._process.stdout)

    @property
    def alive(self) -> bool:
        """Whether the process still runs."""
        return self._process.poll() is None

    def wait(self, timeout: float | None = None, *, poll: Callable[[], object] | None = None) -> bool:
        """Wait for the end, at most `timeout` seconds; return whether it has ended.

        `poll` is called every POLL_SECONDS, and once more at the end.
        """
        deadline = math.inf if timeout is None else time.monotonic() + timeout
        while self.alive and (rest := deadline - time.monotonic()) > 0:
            if poll is not None:
                poll()
                rest = min(rest, POLL_SECONDS)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(rest if rest < math.inf else None)
        ended = not self.alive
        if poll is not None and ended:
            poll()
        return ended

    def result(self) -> Result:
        """Wait for the end, end what it left in its process group, and return how it ended."""
        code = self._process.wait()
        if self._own_session and not self._reaped:
            self._reaped = True
            self._signal_group(signal.SIGKILL)
        return Result(code, self._stdout.text(), self._stderr.text())

    def stop(self) -> None:
        """End the process and what it started, by the signals of STOP_STEPS and their seconds, at last by SIGKILL."""
        try:
            for number, seconds in STOP_STEPS:
                if not self.alive:
                    return
                self.stopped = True
                self._signal_group(number)
                self.wait(seconds)
        finally:  # also where somebody does not want to wait
            self.kill()

    def kill(self) -> None:
        """End the process and what it started at once."""
        if self.alive:
            self.stopped = True
            self._signal_group(signal.SIGKILL)

    def close(self) -> None:
        """Stop the process if it still runs, and close the streams of a protocol."""
        try:
            self.stop()
        finally:
            self.result()
            # Streams that a thread reads are closed there: a grandchild may still hold them open.
            for stream in (self.stdin, self.stdout) if self._protocol else ():
                with contextlib.suppress(OSError):  # what was not written yet is of no use to anybody
                    stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _signal_group(self, number: signal.Signals) -> None:
        if not self._own_session:
            self._process.send_signal(number)
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):  # it is gone, or all of it has ended
            os.killpg(self.pid, number)


def run(
    command: Sequence[str],
    *,
    timeout: float | None = None,
    poll: Callable[[], object] | None = None,
    **options: Unpack[ChildOptions],
) -> Result:
    """Run a program to its end; whatever interrupts this stops the program first.

    Command and options are those of `ChildProcess`, timeout and poll those of its `wait`. There is no error: a missing
    program and one that took too long are results as well.
    """
    try:
        child = ChildProcess(command, **options)
    except FileNotFoundError:
        return Result(None, not_run="no such command", missing=True)
    except OSError as error:
        return Result(None, not_run=error.strerror or str(error))
    with child:
        if not child.wait(timeout, poll=poll):
            child.kill()
            ended = child.result()
            return Result(None, ended.stdout, ended.stderr, f"no answer within {timeout:g} s")
        return child.result()


def run_tool(*command: str, timeout: float = TOOL_SECONDS, env: Mapping[str, str] | None = None) -> Result:
    """Run a program that answers at once, such as `docker ps`; arguments and result as in `run`."""
    return run(command, timeout=timeout, env=env)


def module_command(module: str, arguments: Sequence[str]) -> list[str]:
    """Return the command that runs a Python module, `python -m MODULE ARGUMENT …`, until this process ends."""
    return [sys.executable, "-m", "preannotate.core.child_process", str(os.getpid()), module, *arguments]


def run_module(
    module: str,
    arguments: Sequence[str],
    *,
    lock: int | None = None,
    poll: Callable[[], object] | None = None,
    remedy: str = "Free memory",
) -> str:
    """Run a module of ours to its end, and return its standard output without the last line end.

    Its standard error goes to that of this process, but for its last error.

    Args:
        module: As for `python -m`.
        arguments: Of its command line; the first begins the sentence about its end.
        lock: Descriptor of a lock that the child holds as well, as long as it lives.
        poll: Called every POLL_SECONDS.
        remedy: What helps against a lack of memory.

    Raises:
        CheckFailedError: It exited with 1 and an error of its own.
        ChildError: It failed; its own error, or a sentence about its end.
        KeyboardInterrupt: SIGINT or SIGTERM ended it, or this process was interrupted.
    """
    pass_fds = () if lock is None else (lock,)
    result = run(module_command(module, arguments), poll=poll, pass_fds=pass_fds, on_stderr=_forward)
    if result.interrupted:
        raise KeyboardInterrupt
    if result.code == 0:
        return result.stdout.rstrip("\n")
    if result.error and not result.killed:
        raise (CheckFailedError if result.code == CHECK_FAILED else ChildError)(result.error)
    raise ChildError(failure(result, arguments[0], remedy))


def failure(result: Result, name: str, remedy: str) -> str:
    """Return the sentence about a child process that failed without an error of its own; see `run_module`."""
    if result.killed:
        return f"{name}: {_OUT_OF_MEMORY}; expected exit code 0. {remedy}, then run the same command again."
    return (
        f"{name}: {result.ending}; expected exit code 0. This is an error in the program; the lines above show where."
    )


@contextlib.contextmanager
def sigterm_interrupts() -> Iterator[None]:
    """Inside, SIGTERM raises KeyboardInterrupt as Ctrl-C does; so does a SIGINT that a shell's `&` has ignored."""
    before = {number: signal.signal(number, signal.default_int_handler) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _LineReader:
    """Reads a stream to its end in a thread, and keeps the end of it."""

    def __init__(self, stream: IO[bytes] | None, on_line: Callable[[str], object] | None, max_kept_bytes: int) -> None:
        self._on_line, self._max_kept_bytes = on_line, max_kept_bytes
        self._kept: deque[bytes] = deque()
        self._bytes = 0
        self._thread: threading.Thread | None = None
        if stream is not None:
            self._thread = threading.Thread(target=self._read, args=(stream,), daemon=True)
            self._thread.start()

    def text(self) -> str:
        """Return what was kept, once the stream has ended or _STREAM_SECONDS later."""
        if self._thread is not None:
            self._thread.join(_STREAM_SECONDS)
        return b"".join(tuple(self._kept)).decode("utf-8", "replace")

    def _read(self, stream: IO[bytes]) -> None:
        begins = True
        with stream:
            while piece := stream.readline(self._max_kept_bytes):
                if begins:
                    self._keep(piece)
                begins = piece.endswith(b"\n")

    def _keep(self, line: bytes) -> None:
        self._kept.append(line)
        self._bytes += len(line)
        while self._bytes > self._max_kept_bytes and len(self._kept) > 1:
            self._bytes -= len(self._kept.popleft())
        if self._on_line is not None:
            self._on_line(line.decode("utf-8", "backslashreplace").rstrip())


def _forward(line: str) -> None:
    if line and not line.startswith(_NOT_FORWARDED):
        from tqdm import tqdm  # whoever only calls tools, as `doctor` does, works without it

        tqdm.write(line, file=sys.stderr)


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_PARENT_POLL_SECONDS)
    os.kill(os.getpid(), signal.SIGKILL)  # what is on the disk is whole at any moment


def _main(parent: int, module: str, arguments: Sequence[str]) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _main(int(sys.argv[1]), sys.argv[2], sys.argv[3:])
