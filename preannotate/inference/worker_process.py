"""A worker process that runs the code of a function directory, seen from its parent.

Always a process of its own, even if the directory's `runtime/` equals the project's: the results are then exactly those
that CVAT would get, and a crash of an engine ends in a sentence and no more.

A worker is either in step with its pipes or dead: whoever gives up an exchange kills it, so that an answer can never
reach the wrong request.
"""

import contextlib
import fcntl
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from preannotate.core.child_process import ChildProcess, exit_reason
from preannotate.core.secrets import without_secrets
from preannotate.core.text import printable
from preannotate.inference import worker
from runtime.processors import cores

# Longer lines of a worker's log are cut, so that a wild function does not fill the memory.
_LOG_BYTES = 64 * 1024
# A photo in base64 has megabytes; through a pipe of the usual 64 KiB it takes two to six times as long.
_PIPE_BYTES = 1024 * 1024
Message = tuple[dict[str, Any], bytes]


class WorkerError(Exception):
    """A worker could not start, or ended; the message is the beginning of a sentence, without what to do.

    Attributes:
        killed: Whether a signal from outside ended it: SIGKILL, as for lack of memory, SIGTERM or SIGINT.
    """

    def __init__(self, message: str, *, killed: bool = False) -> None:
        super().__init__(message)
        self.killed = killed


def worker_environment(workers: int) -> dict[str, str]:
    """Return the environment of one of `workers` workers: this process's, without its Python path and all secrets.

    MODEL_THREADS shares the cores among the workers unless it is set already.
    """
    environment = without_secrets(os.environ)
    environment.pop("PYTHONPATH", None)
    environment.setdefault("MODEL_THREADS", str(max(1, cores() // workers)))
    # Bytecode would change the directory; what a function prints should be in the log at once.
    return environment | {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1"}


class WorkerProcess:
    """A running worker; its methods may be called from several threads, `exchange` from one at a time.

    Attributes:
        last_line: That it printed; "" if it printed nothing.
    """

    def __init__(
        self,
        directory: Path,
        arguments: Sequence[str],
        *,
        name: str,
        environment: Mapping[str, str],
        on_log_line: Callable[[str], object] = lambda line: None,
    ) -> None:
        """Start the process; `wait_until_ready` waits for the function.

        Args:
            directory: functions/NAME/nuclio.
            arguments: Of `worker.py`.
            name: Begins the sentences of errors.
            environment: The whole environment of the process.
            on_log_line: Called with each line that it prints, without control characters, in a thread.

        Raises:
            OSError: The process cannot be started.
        """
        self._name = name
        self.last_line = ""
        self._on_log_line = on_log_line
        # -P keeps the folder of worker.py off its path.
        self._child = ChildProcess(
            [sys.executable, "-P", str(Path(worker.__file__).resolve()), *arguments],
            cwd=directory,
            env=environment,
            protocol=True,
            on_stderr=self._log,
            max_kept_bytes=_LOG_BYTES,
        )
        if hasattr(fcntl, "F_SETPIPE_SZ"):  # Linux
            with contextlib.suppress(OSError):  # not beyond what the system grants to one user
                fcntl.fcntl(self._child.stdin, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)

    @property
    def alive(self) -> bool:
        """Whether the process still runs."""
        return self._child.alive

    def wait_until_ready(self) -> dict[str, Any]:
        """Return what the worker reports about its function, once that is loaded.

        Raises:
            WorkerError: It cannot be loaded, or the process ended.
        """
        try:
            head, _ = self._read()
        except (EOFError, OSError) as error:
            reason = self.wait()
            last = f"; last line: {self.last_line}" if self.last_line else ""
            raise WorkerError(
                f"{self._name}: the worker failed before it was ready ({reason}{last})", killed=self._killed
            ) from error
        if "failed" in head:
            raise WorkerError(f"{self._name}: {head['failed']}")
        return head

    def exchange(self, head: Mapping[str, Any], body: bytes | bytearray = b"") -> Message:
        """Send one request and wait for its reply; the head travels as JSON.

        Raises:
            WorkerError: The process ended instead of answering.
        """
        try:
            encoded = json.dumps(head).encode()
            stream = self._child.stdin
            stream.write(worker.LENGTHS.pack(len(encoded), len(body)) + encoded)
            stream.write(body)
            stream.flush()
            return self._read()
        except (EOFError, OSError, ValueError) as error:  # ValueError: somebody else closed the pipe
            # Its pipes end a moment before it does; killed in between, it could no longer report how it ended.
            self._child.wait(1)
            self.kill()
            reason = self.wait()
            raise WorkerError(
                f"{self._name}: the worker failed ({reason}) while it had this request", killed=self._killed
            ) from error

    def kill(self) -> None:
        """End the process and what it started at once."""
        self._child.kill()

    def wait(self) -> str:
        """Wait for the end; return the reason."""
        code = self._child.result().code
        if code == worker.OUT_OF_MEMORY:
            return "out of memory"
        if self._child.stopped:
            return "killed"
        return exit_reason(code or 0) or "exit code 0"

    def stop(self, seconds: float) -> bool:
        """Let an idle process end by itself, and kill it if it does not; return whether it ended by itself."""
        with contextlib.suppress(OSError):  # what was not written yet is of no use to anybody
            self._child.stdin.close()
        ended = self._child.wait(seconds)
        self.close()
        return ended

    def close(self) -> None:
        """Kill the process and wait for its end."""
        self.kill()
        self._child.close()

    @property
    def _killed(self) -> bool:
        result = self._child.result()
        return result.killed or result.interrupted

    def _read(self) -> Message:
        stream = self._child.stdout
        head_length, body_length = worker.LENGTHS.unpack(_read_exactly(stream, worker.LENGTHS.size))
        head = json.loads(_read_exactly(stream, head_length))
        return head, _read_exactly(stream, body_length)

    def _log(self, line: str) -> None:
        # A request may find its way into a line; it must not command the terminal of whoever reads the log.
        text = printable(line, _LOG_BYTES)
        self.last_line = text or self.last_line
        self._on_log_line(text)


def _read_exactly(stream: IO[bytes], count: int) -> bytes:
    data = stream.read(count)
    if len(data) < count:
        raise EOFError
    return data
