"""One worker process, seen from the server: started, asked, stopped or killed.

A process is either in step with its pipes or dead: whatever interrupts an exchange kills it, so that an answer can
never reach the wrong request.
"""

import asyncio
import contextlib
import fcntl
import json
import logging
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from preannotate.serving import worker
from preannotate.serving.errors import HandlerTimedOut, StartError, WorkerDied
from preannotate.serving.function_config import FunctionConfig

# What a function may take to end by itself once it has nothing to do.
STOP_SECONDS = 5.0
_LOG = logging.getLogger(__name__)
# A request may find its way into a line; it must not command the terminal of whoever reads the log.
_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(9), *range(10, 32), *range(127, 160))}
_LINE_BYTES = 64 * 1024
# A photo in base64 has megabytes; through a pipe of the usual 64 KiB it takes two to six times as long.
# Handed over in pieces of this size, a body is not copied whole once more.
_PIPE_BYTES = 1024 * 1024


@dataclass(frozen=True)
class HandlerReply:
    """What the handler answered, by nuclio's rules."""

    status: int
    content_type: str
    headers: Mapping[str, str]
    body: bytes


class WorkerProcess:
    """A running worker.

    Attributes:
        answered: How many requests it has answered.
    """

    def __init__(self, process: asyncio.subprocess.Process, config: FunctionConfig, worker_id: int) -> None:
        """Take charge of a process; use `start`."""
        self.answered = 0
        self._process = process
        self._config = config
        self._label = f"{config.name}/{worker_id}"
        self._last_line = ""
        self._killed = False
        self._reaped = False
        self._log_task = asyncio.create_task(self._forward_log())

    @classmethod
    async def start(cls, config: FunctionConfig, worker_id: int, environment: Mapping[str, str]) -> "WorkerProcess":
        """Start a process and wait until its function is ready.

        Args:
            config: Of the function.
            worker_id: Counts from 0 within the function.
            environment: All of the process's environment.

        Raises:
            StartError: It failed, ended, or took longer than readinessTimeoutSeconds.
        """
        # -P keeps this folder off its path. A session of its own: Ctrl-C is for the server, which lets work finish.
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", str(Path(worker.__file__).resolve())),
            *(config.handler, str(worker_id), config.trigger),
            cwd=config.path,
            env=dict(environment),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
            limit=_LINE_BYTES,
        )
        _widen(process.stdin)
        started = cls(process, config, worker_id)
        try:
            await started._until_ready()
        except BaseException:
            started.kill()
            await started.wait()
            raise
        return started

    @property
    def alive(self) -> bool:
        """Whether the process still runs."""
        return self._process.returncode is None

    async def invoke(self, head: Mapping[str, Any], body: bytes | bytearray) -> HandlerReply:
        """Hand one request to the handler and wait for its answer.

        Args:
            head: The keys of a nuclio event, without trigger, size and body.
            body: As it came.

        Raises:
            HandlerTimedOut: It took longer than eventTimeout; the process was killed.
            WorkerDied: The process ended instead of answering.
        """
        seconds = self._config.event_seconds
        try:
            async with asyncio.timeout(seconds):
                reply, answer = await self._exchange(head, body)
        except TimeoutError as error:
            self.kill()
            _LOG.error("%s: the handler took longer than %g s (eventTimeout); killed.", self._label, seconds)
            raise HandlerTimedOut(
                f"{self._label}: the handler took longer than {seconds:g} s; a new worker is started. "
                f"Send a smaller image, or raise eventTimeout in function.yaml."
            ) from error
        except (asyncio.IncompleteReadError, OSError) as error:
            # Its pipes end a moment before it does; killed in between, it could no longer tell how it ended.
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), timeout=1)
            self.kill()
            how = await self.wait()
            raise WorkerDied(
                f"{self._label}: the worker {how} while it had this request; a new one is started. "
                f"Look into the server's log."
            ) from error
        except BaseException:
            self.kill()
            raise
        self.answered += 1
        return HandlerReply(reply["status"], reply["content_type"], reply["headers"], answer)

    def kill(self) -> None:
        """End the process and its children at once."""
        if self.alive:
            self._killed = True
            _kill_group(self._process.pid)

    async def wait(self) -> str:
        """Wait for the end; says how it ended."""
        code = await self._process.wait()
        if not self._reaped:
            # What it started outlives it, with its memory and its end of the pipes, unless it is ended as well.
            self._reaped = True
            _kill_group(self._process.pid)
        await asyncio.wait([self._log_task], timeout=1)
        if code == worker.OUT_OF_MEMORY:
            return "ran out of memory"
        if code == -signal.SIGKILL and not self._killed:
            return "was ended by SIGKILL (as by a system that runs out of memory)"
        return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"

    async def stop(self) -> None:
        """Let an idle process end by itself, and kill it if it does not."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await self._process.wait()
        except TimeoutError:
            _LOG.warning("%s: did not end within %g s; killed.", self._label, STOP_SECONDS)
        finally:
            self.kill()
        await self.wait()

    async def _until_ready(self) -> None:
        seconds = self._config.readiness_seconds
        try:
            async with asyncio.timeout(seconds):
                head, _ = await self._read()
        except TimeoutError as error:
            raise StartError(
                f"{self._label}: not ready after {seconds:g} s; expected init_context to return by then. "
                f"Raise spec.readinessTimeoutSeconds if the model is large."
            ) from error
        except (asyncio.IncompleteReadError, OSError) as error:
            last = f"; its last words: {self._last_line}" if (how := await self.wait()) and self._last_line else ""
            raise StartError(f"{self._label}: {how} before it was ready{last}") from error
        if "failed" in head:
            raise StartError(f"{self._label}: {head['failed']}")

    async def _exchange(self, head: Mapping[str, Any], body: bytes | bytearray) -> tuple[dict[str, Any], bytes]:
        writer = self._process.stdin
        encoded = json.dumps(head).encode()
        writer.write(worker.LENGTHS.pack(len(encoded), len(body)) + encoded)
        for start in range(0, len(body), _PIPE_BYTES):
            writer.write(body[start : start + _PIPE_BYTES])
            await writer.drain()
        return await self._read()

    async def _read(self) -> tuple[dict[str, Any], bytes]:
        reader = self._process.stdout
        head_length, body_length = worker.LENGTHS.unpack(await reader.readexactly(worker.LENGTHS.size))
        head = json.loads(await reader.readexactly(head_length))
        return head, await reader.readexactly(body_length)

    async def _forward_log(self) -> None:
        stream = self._process.stderr
        while True:
            try:
                line = await stream.readline()
            except ValueError:  # longer than the limit, which keeps a wild function from filling the memory
                line = b"(a very long line was left out)\n"
            if not line:
                return
            text = line.decode("utf-8", "backslashreplace").rstrip().translate(_CONTROLS)
            self._last_line = text or self._last_line
            _LOG.info("%s| %s", self._label, self._last_line)


def _kill_group(leader: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


def _widen(stream: asyncio.StreamWriter) -> None:
    if hasattr(fcntl, "F_SETPIPE_SZ"):  # Linux
        with contextlib.suppress(OSError):  # not beyond what the system grants to one user
            fcntl.fcntl(stream.transport.get_extra_info("pipe"), fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
