"""The functions of a folder: it is scanned every second, and each directory is handled by itself.

A directory counts once it has been at rest between two looks, so that one being copied or replaced is not started
half-written. A fault in one is a line in the log and a problem to report, and changes nothing for the others.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from builder.errors import BuildError
from builder.function_directory import PARITY_FILE, FunctionDirectory, find_directories
from preannotate.serving.errors import DirectoryError
from preannotate.serving.function_config import CPU_FILE, FunctionConfig
from preannotate.serving.pool import DRAIN_SECONDS
from preannotate.serving.served_function import ServedFunction

POLL_SECONDS = 1.0
_LOG = logging.getLogger(__name__)
_FunctionEvent = Callable[[ServedFunction], Awaitable[None]]


@dataclass
class _Entry:
    """One directory.

    Attributes:
        seen: Change mark at the last look.
        applied: Change mark that was last acted on; None asks for another try.
        function: What serves it.
        problem: Why nothing does.
    """

    seen: str | None = None
    applied: str | None = None
    function: ServedFunction | None = None
    problem: str = ""


async def _nothing(function: ServedFunction) -> None:
    pass


class FunctionRegistry:
    """The functions of a folder, kept up to date; `scan` once, then `watch`."""

    def __init__(
        self,
        folder: Path,
        *,
        workers: int | None = None,
        file_name: str = CPU_FILE,
        gpus: Sequence[str] = (),
        opened: _FunctionEvent = _nothing,
        closing: _FunctionEvent = _nothing,
    ) -> None:
        """Set what to scan.

        Args:
            folder: See `find_directories`.
            workers: Overrides the number of workers in each function.yaml.
            file_name: Of the variant to serve; a directory without this file does not count.
            gpus: One worker of each function is started for each; see `devices`.
            opened: Called when a function appears, and when another version of it is to be served.
            closing: Called when it goes, before its workers end.
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
        """The functions that CVAT may see, by name."""
        found = [entry.function for entry in self._entries.values() if entry.function is not None]
        return {function.name: function for function in sorted(found, key=lambda function: function.name)}

    @property
    def problems(self) -> list[str]:
        """One sentence for each directory that is not served at all."""
        own = [self._folder_problem] if self._folder_problem else []
        return own + [entry.problem for entry in self._entries.values() if entry.problem]

    async def watch(self) -> None:
        """Scan the folder every POLL_SECONDS, for ever."""
        while True:
            await asyncio.sleep(POLL_SECONDS)
            try:
                await self.scan()
            except Exception:  # the server must outlive whatever one scan meets
                _LOG.exception("%s: the folder could not be scanned; trying again.", self._folder)

    async def scan(self, *, at_rest: bool = False) -> None:
        """Scan the folder once.

        Args:
            at_rest: Take the directories as they are now, without waiting for a second look.
        """
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
        return {path: FunctionDirectory(path).change_mark for path in find_directories(self._folder, self._file_name)}

    def _report_folder(self, problem: str) -> None:
        if problem and problem != self._folder_problem:
            _LOG.error("%s", problem)
        self._folder_problem = problem

    async def _update(self, path: Path, entry: _Entry) -> None:
        try:
            config = await asyncio.to_thread(_read_proven, path, self._file_name)
            self._check_name_is_free(config, entry)
        except DirectoryError as error:
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
            entry.applied = None  # another try at each look: the other may go
            raise DirectoryError(
                f"{config.path / self._file_name}: metadata.name is {config.name!r}, as in "
                f"{other.config.path}; expected a unique name. Rename one of them."
            )

    async def _remove(self, path: Path, entry: _Entry) -> None:
        self._entries.pop(path, None)
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


def _read_proven(path: Path, file_name: str) -> FunctionConfig:
    """Read a directory whose files are those of its proof; one without a proof may be any function of nuclio.

    Every byte is read here, once for each change of the directory, and never for a request.

    Raises:
        DirectoryError: It cannot be served; one sentence names the file.
    """
    config = FunctionConfig.read(path, file_name)
    try:
        directory = FunctionDirectory(path)
        problems = directory.proof_problems() if (path / PARITY_FILE).is_file() else []
    except BuildError as error:
        problems = [str(error)]
    if problems:
        more = f" ({len(problems) - 1} more problems)" if len(problems) > 1 else ""
        raise DirectoryError(f"{path}: {problems[0]}{more}")
    return config
