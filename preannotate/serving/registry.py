"""The functions of a folder: it is scanned every second, and each directory is handled by itself.

A directory counts once two scans in a row find it unchanged, so that one being copied or replaced is not started
half-written. A fault in one is a line in the log and a problem to report, and changes nothing for the others.
"""

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from builder.errors import BuildError
from builder.function_directory import PARITY_FILE, FunctionDirectory, find_directories
from preannotate.serving.errors import DirectoryError
from preannotate.serving.function_config import CPU_FILE, FunctionConfig
from preannotate.serving.handler_process import HandlerReply
from preannotate.serving.pool import DRAIN_SECONDS, FunctionState, WorkerPool

POLL_SECONDS = 1.0
# nuclio's dashboard shows CVAT only the functions of the project that its headers name.
_PROJECT_LABELS = {"nuclio.io/project-name": "cvat"}
_LOG = logging.getLogger(__name__)


class ServedFunction:
    """A function that CVAT may list and call, whatever the state of its workers.

    While a new version starts, the old one answers. If the new one cannot start, the old one still goes: a directory
    with one version and a process that runs another would be worse than an error.

    Attributes:
        config: Of the version that answers.
        port: Where direct calls are answered; None until a port is open.
        wanted_port: The port in the latest version's file, which may still be starting.
    """

    def __init__(self, config: FunctionConfig, workers: int | None = None, gpus: Sequence[str] = ()) -> None:
        """Start the workers; `workers` or `gpus` override their number in function.yaml."""
        self.config = config
        self.port: int | None = None
        self.wanted_port = config.port
        self._workers = workers
        self._gpus = gpus
        self._pool = WorkerPool(config, workers, gpus)
        self._tasks: set[asyncio.Task[None]] = set()
        self._change = self._background(self._pool.start())

    @property
    def name(self) -> str:
        """metadata.name, CVAT's id of the function."""
        return self.config.name

    @property
    def state(self) -> FunctionState:
        """Of the version that answers."""
        return self._pool.state

    @property
    def problem(self) -> str:
        """A sentence if fewer workers run than should; else ""."""
        return self._pool.problem

    @property
    def can_answer(self) -> bool:
        """Whether a request would be answered: a worker runs, or the first ones are starting."""
        return self._pool.alive > 0 or self.state is FunctionState.BUILDING

    @property
    def message(self) -> str:
        """What nuclio's dashboard would say about the state: the cause, with numbers while it still answers."""
        return self._pool.problem if self._pool.alive and self._pool.cause else self._pool.cause

    async def settled(self) -> None:
        """Wait until the latest version has started, or failed to."""
        await asyncio.wait([self._change])

    def replace(self, config: FunctionConfig) -> None:
        """Start a new version; the old one answers until the new one is ready or has failed."""
        self.wanted_port = config.port
        self._change.cancel()
        self._change = self._background(self._replace(config))

    async def invoke(
        self, head: Mapping[str, Any], body: bytes | bytearray, client_gone: "asyncio.Future[None]"
    ) -> HandlerReply:
        """Call the handler as `WorkerPool.invoke` does, in the version that answers now."""
        return await self._pool.invoke(head, body, client_gone)

    async def stop(self, drain_seconds: float = DRAIN_SECONDS) -> None:
        """Give requests in flight `drain_seconds` to finish, and end all workers."""
        self._change.cancel()
        await self._pool.stop(drain_seconds)
        while self._tasks:
            await asyncio.wait(self._tasks)

    def listing(self) -> dict[str, Any]:
        """Return the function as nuclio's dashboard lists it: what CVAT reads, without the environment."""
        config = self.config
        return {
            "metadata": {
                "name": config.name,
                "namespace": "nuclio",
                "labels": _PROJECT_LABELS,
                "annotations": config.annotations,
            },
            "spec": {"description": config.description, "handler": config.handler},
            "status": {"state": self.state, "message": self.message, "httpPort": self.port},
        }

    def health(self) -> dict[str, Any]:
        """Return the state of the function for /healthz."""
        return {
            "state": self.state,
            "problem": self.problem,
            "cause": self._pool.cause,
            "workers": self._pool.alive,
            "workers_asked": self._pool.size,
            "waiting": self._pool.waiting,
            "port": self.port,
            "directory": str(self.config.path),
        }

    async def _replace(self, config: FunctionConfig) -> None:
        pool = WorkerPool(config, self._workers, self._gpus)
        try:
            await pool.start()
        except asyncio.CancelledError:
            self._background(pool.stop())
            raise
        old, self._pool, self.config = self._pool, pool, config
        self._background(old.stop())

    def _background(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


@dataclass
class _Entry:
    """One directory.

    Attributes:
        seen: Change mark at the last scan.
        applied: Change mark that was last acted on; None requests another try.
        function: What serves it.
        problem: Why nothing does.
    """

    seen: str | None = None
    applied: str | None = None
    function: ServedFunction | None = None
    problem: str = ""


_FunctionEvent = Callable[[ServedFunction], Awaitable[None]]


class FunctionRegistry:
    """The functions of a folder, kept up to date; `scan` once, then `watch`."""

    def __init__(
        self,
        folder: Path,
        *,
        opened: _FunctionEvent,
        closing: _FunctionEvent,
        workers: int | None = None,
        file_name: str = CPU_FILE,
        gpus: Sequence[str] = (),
    ) -> None:
        """Scan nothing yet.

        Args:
            folder: See `find_directories`.
            opened: Called when a function appears, and when another version of it is to be served.
            closing: Called when it goes, before its workers end.
            workers: As in `WorkerPool`.
            file_name: Of the variant to serve; a directory without this file does not count.
            gpus: As in `WorkerPool`.
        """
        self._folder = folder
        self._workers = workers
        self._file_name = file_name
        self._gpus = gpus
        self._opened = opened
        self._closing = closing
        self._entries: dict[Path, _Entry] = {}
        self._stopping: set[asyncio.Task[None]] = set()
        self._folder_problem = ""

    @property
    def functions(self) -> dict[str, ServedFunction]:
        """The functions that CVAT may see, sorted by name."""
        found = {entry.function.name: entry.function for entry in self._entries.values() if entry.function is not None}
        return dict(sorted(found.items()))

    @property
    def problems(self) -> list[str]:
        """One sentence for the folder, and for each directory that is not served at all."""
        return [text for text in (self._folder_problem, *(entry.problem for entry in self._entries.values())) if text]

    async def watch(self) -> None:
        """Scan the folder every POLL_SECONDS, for ever."""
        while True:
            await asyncio.sleep(POLL_SECONDS)
            try:
                await self.scan()
            except Exception:  # the server must outlive whatever one scan meets
                _LOG.exception("%s: the folder could not be scanned; trying again.", self._folder)

    async def scan(self, *, at_rest: bool = False) -> None:
        """Scan the folder once; with `at_rest`, serve the directories as they are now, without a second scan."""
        try:
            found = await asyncio.to_thread(self._change_marks)
        except OSError as error:
            self._report_folder(f"{self._folder}: {error.strerror}; expected a folder. Nothing is changed.")
            return
        self._report_folder("")
        for path in [*found, *(path for path in self._entries if path not in found)]:
            entry = self._entries.setdefault(path, _Entry())
            mark = found.get(path, "")
            if mark != entry.applied and (at_rest or mark == entry.seen):
                entry.applied = mark
                await (self._update(path, entry) if mark else self._remove(path, entry))
            entry.seen = mark

    async def stop(self, drain_seconds: float = DRAIN_SECONDS) -> None:
        """Stop all functions; requests in flight get `drain_seconds` to finish."""
        for entry in self._entries.values():
            await self._close(entry, drain_seconds)
        while self._stopping:
            await asyncio.wait(self._stopping)

    def _change_marks(self) -> dict[Path, str]:
        return {path: _change_mark(path) for path in find_directories(self._folder, self._file_name)}

    def _report_folder(self, problem: str) -> None:
        if problem and problem != self._folder_problem:
            _LOG.error("%s", problem)
        self._folder_problem = problem

    async def _update(self, path: Path, entry: _Entry) -> None:
        mark = entry.applied
        try:
            config = await asyncio.to_thread(_read_proven, path, self._file_name)
            self._check_name_is_free(config, entry)
        except DirectoryError as error:
            if await asyncio.to_thread(_change_mark, path) not in (mark, ""):
                entry.applied = None  # replaced while it was read: what was read belongs to two versions
                return
            if str(error) != entry.problem:
                _LOG.error("%s", error)
            entry.problem = str(error)
            await self._close(entry)
            return
        entry.problem = ""
        if entry.function is not None and entry.function.name == config.name:
            _LOG.info("%s: changed; starting the new version.", config.name)
            entry.function.replace(config)
        else:
            await self._close(entry)
            _LOG.info("%s: found in %s.", config.name, path)
            entry.function = ServedFunction(config, self._workers, self._gpus)
        await self._opened(entry.function)

    def _check_name_is_free(self, config: FunctionConfig, entry: _Entry) -> None:
        other = self.functions.get(config.name)
        if other is not None and other is not entry.function:
            entry.applied = None  # another try at each scan: the other may go
            raise DirectoryError(
                f"{config.path / self._file_name}: metadata.name is {config.name!r}, as in "
                f"{other.config.path}; expected a unique name. Rename one of them."
            )

    async def _remove(self, path: Path, entry: _Entry) -> None:
        del self._entries[path]
        if entry.function is not None:
            _LOG.info("%s: removed; no longer served.", entry.function.name)
        await self._close(entry)

    async def _close(self, entry: _Entry, drain_seconds: float = DRAIN_SECONDS) -> None:
        function, entry.function = entry.function, None
        if function is not None:
            await self._closing(function)
            task = asyncio.create_task(function.stop(drain_seconds))  # others must not wait for it
            self._stopping.add(task)
            task.add_done_callback(self._stopping.discard)


def _change_mark(path: Path) -> str:
    try:
        return FunctionDirectory(path).change_mark
    except BuildError as error:  # what reads the directory says so as well
        return str(error)


def _read_proven(path: Path, file_name: str) -> FunctionConfig:
    """Read a directory whose files are those of its proof; one without a proof may be any function of nuclio.

    Every byte is read here, once for each change of the directory, and never for a request.

    Raises:
        DirectoryError: It cannot be served; one sentence names the file.
    """
    config = FunctionConfig.read(path, file_name)
    parity = path / PARITY_FILE
    try:
        if os.path.lexists(parity) and not parity.is_file():
            raise DirectoryError(f"{parity}: a pipe, a device or a folder; expected a file. Build the function again.")
        problems = FunctionDirectory(path).proof_problems() if parity.is_file() else []
    except BuildError as error:
        problems = [str(error)]
    if problems:
        more = f" ({len(problems) - 1} more problems)" if len(problems) > 1 else ""
        place = "" if problems[0].startswith(f"{path}") else f"{path}: "
        raise DirectoryError(f"{place}{problems[0]}{more}")
    return config
