"""Projects and tasks of CVAT servers, as lists with pages, previews and counts."""

import hashlib
import io
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from preannotate.core.files import replace_bytes
from preannotate.jobs.database import Database
from preannotate.studio.errors import StudioError
from preannotate.studio.servers import Servers
from preannotate.studio.training_preview import AnnotationCounts, count_annotations

if TYPE_CHECKING:
    from preannotate.cvat.server import Server
    from preannotate.formats.cvat_xml import CvatLabel

PAGE_SIZE = 20
# Longest search text; most tasks of a project that are counted.
_MAX_SEARCH, _MAX_TASKS = 200, 100
# A preview of CVAT has a few kilobytes.
MOST_FILES = 1000
MOST_BYTES = 5_000_000
# Content types that are served, by the first bytes of the file.
_CONTENT_TYPES = {b"\xff\xd8\xff": "image/jpeg", b"\x89PNG\r\n\x1a\n": "image/png", b"RIFF": "image/webp"}


@dataclass(frozen=True)
class TaskSummary:
    """A task of a server.

    Attributes:
        project_id: None if it belongs to no project.
        project: Name of the project; "" without a project, or if its name cannot be read.
        frames: Number of images, or of frames of the video.
        jobs: Number of jobs.
        accepted: Number of jobs completed in the stage *acceptance*; CVAT counts no others here.
        updated: ISO 8601, as the server writes it.
        problem: Why a training cannot use it: "is three-dimensional", "has no frames"; None if it can.
    """

    id: int
    name: str
    project_id: int | None
    project: str
    frames: int
    video: bool
    jobs: int
    accepted: int
    updated: str
    problem: str | None = None


@dataclass(frozen=True)
class TaskPage:
    """One page of a list of tasks; `number` is from 1, `pages` at least 1, and `count` the tasks on all pages."""

    entries: tuple[TaskSummary, ...]
    number: int
    pages: int
    count: int


@dataclass(frozen=True)
class LabelSummary:
    """A label of a task.

    Attributes:
        color: As in CVAT: "#rrggbb".
        type: "rectangle", "any", "polygon", "tag", …
        boxes: On frames that a training would use; shapes that become boxes count.
        learnable: Whether shapes of this type are boxes or become boxes.
    """

    name: str
    color: str
    type: str
    boxes: int
    learnable: bool


@dataclass(frozen=True, kw_only=True)
class TaskDetail(AnnotationCounts):
    """One or several tasks with their counts.

    Attributes:
        summary: Of the first task; None if there is no task with images.
        labels: In the order of the tasks.
        problem: Why no training can use them, one sentence; None if one can.
    """

    summary: TaskSummary | None
    labels: tuple[LabelSummary, ...] = ()
    problem: str | None = None


class PreviewCache:
    """Preview images of tasks, kept on disk so that lists load at once; the least recently used ones are removed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def picture(self, server_id: int, task_id: int, updated: str, fetch: Callable[[], bytes]) -> tuple[bytes, str]:
        """Return the preview of a task as it was at `updated`, and its content type.

        `fetch` downloads it if it is not in the folder; StudioError is raised if that is not an image.
        """
        moment = hashlib.sha256(updated.encode()).hexdigest()[:12]
        path = self._folder / f"{server_id}-{task_id}-{moment}"
        try:
            content = path.read_bytes()
            os.utime(path)
        except OSError:
            content = fetch()
            if not _content_type(content) or len(content) > MOST_BYTES:
                raise StudioError(
                    f"task {task_id}: preview of {len(content)} bytes is not an image; expected JPEG, PNG or WebP."
                ) from None
            self._keep(path, content)
        return content, _content_type(content)

    def _keep(self, path: Path, content: bytes) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        for stale in self._folder.glob(f"{path.name.rpartition('-')[0]}-*"):
            stale.unlink(missing_ok=True)
        replace_bytes(path, content)
        for old in sorted(self._folder.iterdir(), key=_used, reverse=True)[MOST_FILES:]:
            old.unlink(missing_ok=True)


def _used(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:  # another thread removed it
        return 0.0


def _content_type(content: bytes) -> str:
    return next((kind for first, kind in _CONTENT_TYPES.items() if content.startswith(first)), "")


class Catalogue:
    """Projects and tasks of saved servers.

    Every method raises CvatError if the server does not answer, and StudioError if there is no such server.
    """

    def __init__(self, servers: Servers, database: Database, previews: Path) -> None:
        self._servers, self._database, self._previews = servers, database, PreviewCache(previews)
        # From lists, for the previews and names that are requested next.
        self._projects: dict[tuple[int, int], str] = {}
        self._updated: dict[tuple[int, int], str] = {}

    def projects(self, server_id: int) -> dict[int, str]:
        """Return the names of the newest projects by their ids, as many as fit on a page."""

        def read(server: "Server") -> dict[int, str]:
            answer = server.page_of_projects(page=1, size=PAGE_SIZE)
            with server.parsing_response("projects"):
                return {one["id"]: one["name"] for one in answer["results"]}

        found = self._servers.query(server_id, read)
        self._projects.update({(server_id, project): name for project, name in found.items()})
        return found

    def tasks(self, server_id: int, *, project: int | None = None, search: str = "", page: int = 1) -> TaskPage:
        """Return a page of tasks, the newest first; the last page instead of one that does not exist."""
        words = " ".join(search.split())[:_MAX_SEARCH]

        def read(server: "Server") -> TaskPage:
            def get(number: int) -> Any:
                return server.page_of_tasks(page=number, size=PAGE_SIZE, search=words, project=project)

            answer, number = _existing(get, page)
            with server.parsing_response("tasks"):
                entries = tuple(self._summary(server, server_id, one) for one in answer["results"])
                return TaskPage(entries, number, _pages(answer), answer["count"])

        return self._servers.query(server_id, read)

    def summary(self, server_id: int, task_id: int) -> TaskSummary:
        """Return one row of `tasks`."""
        return self._servers.query(server_id, lambda server: self._summary(server, server_id, server.task(task_id)))

    def detail(self, server_id: int, tasks: Sequence[int], projects: Sequence[int] = ()) -> TaskDetail:
        """Return the counts of tasks together; this takes seconds for a large task that is not cached.

        Tasks of projects without images are skipped, as `pull` does.
        """
        return self._servers.query(server_id, lambda server: self._detail(server, server_id, tasks, projects))

    def preview(self, server_id: int, task_id: int) -> tuple[bytes, str]:
        """Return the preview of a task and its content type: image/jpeg, image/png or image/webp."""

        def fetch() -> bytes:
            sink = io.BytesIO()
            self._servers.query(server_id, lambda server: server.preview(task_id, sink))
            return sink.getvalue()

        self._servers.get(server_id)
        if (server_id, task_id) not in self._updated:
            self.summary(server_id, task_id)
        return self._previews.picture(server_id, task_id, self._updated[server_id, task_id], fetch)

    def _detail(self, server: "Server", server_id: int, tasks: Sequence[int], projects: Sequence[int]) -> TaskDetail:
        from preannotate.cvat.tasks import has_boxes, read_task, why_unusable

        contents = {number: server.task(number) for number in tasks}
        for number in projects:
            usable = [task for task in server.tasks_of_project(number) if not why_unusable(task)]
            contents.update({task["id"]: task for task in usable[:_MAX_TASKS]})
        if not contents:
            names = ", ".join(map(str, projects))
            return TaskDetail(summary=None, problem=f"project {names}: no task with images; expected at least one.")
        first = next(iter(contents.values()))
        with server.parsing_response(f"task {first['id']}"):
            summary = self._summary(server, server_id, first)
        unusable = [f"task {one['id']}: {why}" for one in contents.values() if (why := why_unusable(one))]
        if unusable:
            problem = f"{unusable[0]}; expected images or a video. Choose another task."
            return TaskDetail(summary=summary, problem=problem)
        read = [read_task(server, content) for content in contents.values()]
        counts = count_annotations(server, server_id, read, self._database)
        labels: dict[str, CvatLabel] = {}
        for task in read:
            for label in task.labels.values():
                labels.setdefault(label.name, label)
        found = tuple(
            LabelSummary(label.name, label.color, label.type, counts.boxes.get(label.name, 0), has_boxes(label))
            for label in labels.values()
        )
        return TaskDetail(**vars(counts), summary=summary, labels=found, problem=_problem(sorted(contents), found))

    def _summary(self, server: "Server", server_id: int, content: dict[str, Any]) -> TaskSummary:
        from preannotate.cvat.tasks import why_unusable

        project = content.get("project_id")
        self._updated[server_id, content["id"]] = str(content["updated_date"])
        jobs = content.get("jobs") or {}
        return TaskSummary(
            id=content["id"],
            name=content["name"],
            project_id=project,
            project="" if project is None else self._project_name(server, server_id, project),
            frames=content.get("size") or 0,
            video=content.get("mode") == "interpolation",
            jobs=jobs.get("count") or 0,
            accepted=jobs.get("completed") or 0,
            updated=str(content["updated_date"]),
            problem=why_unusable(content) or None,
        )

    def _project_name(self, server: "Server", server_id: int, project: int) -> str:
        from preannotate.cvat.errors import CvatError

        if (server_id, project) not in self._projects:
            try:
                self._projects[server_id, project] = str(server.project(project)["name"])
            except (CvatError, KeyError, TypeError):  # a task may be visible whose project is not
                self._projects[server_id, project] = ""
        return self._projects[server_id, project]


def _existing(get: Callable[[int], Any], number: int) -> tuple[Any, int]:
    """Return the answer for a page, or for the last one if there are fewer pages, and its number."""
    from preannotate.cvat.errors import CvatError

    number = max(1, number)
    try:
        return get(number), number
    except CvatError as error:
        if number == 1 or getattr(error.__cause__, "status", None) != 404:
            raise
    first = get(1)
    last = _pages(first)
    return (first, 1) if last == 1 else (get(last), last)


def _pages(answer: Mapping[str, Any]) -> int:
    return max(1, math.ceil(answer["count"] / PAGE_SIZE))


def _problem(tasks: Sequence[int], labels: Sequence[LabelSummary]) -> str | None:
    where = f"task {', '.join(map(str, tasks))}"
    if not labels:
        return f"{where}: no labels; expected at least one for rectangles. Add it in CVAT."
    if not any(label.learnable for label in labels):
        kinds = ", ".join(f"{label.name} ({label.type})" for label in labels)
        return f"{where}: no label for boxes ({kinds}); expected one of the type rectangle or any. Add it in CVAT."
    if not any(label.boxes for label in labels):
        return f"{where}: no boxes to learn from; expected some. Draw boxes in CVAT and save them."
    return None
