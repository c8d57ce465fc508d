"""What there is to train on: projects and tasks of a server, as lists with pages, previews and counts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Entry = TypeVar("Entry")
PAGE_SIZE = 20


@dataclass(frozen=True)
class Page(Generic[Entry]):
    """A part of a list.

    Attributes:
        entries: Of this page.
        number: Of this page, from 1.
        pages: How many there are, at least 1.
        count: Entries on all pages.
    """

    entries: tuple[Entry, ...]
    number: int
    pages: int
    count: int


@dataclass(frozen=True)
class ProjectSummary:
    """A project.

    Attributes:
        id: On the server.
        name: For people.
        tasks: How many it has.
        updated: ISO 8601, as the server writes it.
    """

    id: int
    name: str
    tasks: int
    updated: str


@dataclass(frozen=True)
class TaskSummary:
    """A task.

    Attributes:
        id: On the server.
        name: For people.
        project_id: None if it belongs to none.
        project: Name of the project, "" if it belongs to none or the name is not known.
        frames: Of images or of the video.
        video: Whether it is a video.
        jobs: How many.
        completed: How many of them are.
        updated: ISO 8601, as the server writes it.
        usable: "" or why nothing can be learnt from it: "is three-dimensional", "has no frames".
    """

    id: int
    name: str
    project_id: int | None
    project: str
    frames: int
    video: bool
    jobs: int
    completed: int
    updated: str
    usable: str = ""


@dataclass(frozen=True)
class LabelSummary:
    """A label of a task.

    Attributes:
        name: Of the label.
        color: As in CVAT: "#rrggbb".
        type: "rectangle", "any", "polygon", "tag", …
        boxes: On frames that a training would take; a shape that becomes a box counts.
        learnable: Whether shapes of this type are boxes or become some.
    """

    name: str
    color: str
    type: str
    boxes: int
    learnable: bool


@dataclass(frozen=True)
class TaskDetail:
    """A task with what a training would take from it, by the rules of `preannotate pull`.

    Attributes:
        summary: See there.
        labels: In the task's order.
        boxes: Label to number of boxes on the frames that a training would take.
        annotated_frames: Frames with boxes that a training would take.
        empty_frames: Frames of completed jobs without annotations, which a training takes as showing nothing.
        automatic: Boxes that a model drew and nobody changed; a training leaves them out, and they are not in `boxes`.
        left_out: Reason to number of frames, in words: "without annotations, in a job that is not completed".
        usable: "" or why nothing can be learnt, one sentence.
        counted_jobs: Jobs whose annotations were counted,
        all_jobs: of so many; less only for tasks with very many jobs.
        image_size: (width, height) of most images; (0, 0) if not known.
        sides: Root of the area of boxes, in pixels of images of `image_size`; a sample if there are many.
    """

    summary: TaskSummary
    labels: tuple[LabelSummary, ...]
    boxes: Mapping[str, int]
    annotated_frames: int
    empty_frames: int = 0
    automatic: int = 0
    left_out: Mapping[str, int] = field(default_factory=dict)
    usable: str = ""
    counted_jobs: int = 0
    all_jobs: int = 0
    image_size: tuple[int, int] = (0, 0)
    sides: tuple[float, ...] = ()


class Catalogue:
    """Lists of saved servers; every method raises CvatError if the server does not answer."""

    def projects(self, server_id: int, search: str = "", page: int = 1) -> Page[ProjectSummary]:
        """Projects, the newest first; `search` as in CVAT's own field."""
        raise NotImplementedError

    def tasks(
        self, server_id: int, *, project: int | None = None, search: str = "", page: int = 1
    ) -> Page[TaskSummary]:
        """Tasks, the newest first; a page that is not there is the last one."""
        raise NotImplementedError

    def task(self, server_id: int, task_id: int) -> TaskDetail:
        """A task with its counts: seconds for a large one that was not looked at before, else at once."""
        raise NotImplementedError

    def together(self, server_id: int, tasks: tuple[int, ...], projects: tuple[int, ...] = ()) -> TaskDetail:
        """Several tasks as one, for advice about a training on all of them; `summary` is that of the first."""
        raise NotImplementedError

    def preview(self, server_id: int, task_id: int) -> tuple[bytes, str]:
        """The picture of a task and its content type; kept on disk, so that a list shows at once.

        Only image/jpeg, image/png and image/webp are ever given.
        """
        raise NotImplementedError
