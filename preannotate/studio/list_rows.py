"""Projects and tasks as the studio shows them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

ListRow = TypeVar("ListRow")


@dataclass(frozen=True)
class ListPage(Generic[ListRow]):
    """A part of a list.

    Attributes:
        entries: Of this page.
        number: Of this page, from 1.
        pages: How many there are, at least 1.
        count: Entries on all pages.
    """

    entries: tuple[ListRow, ...]
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
        accepted: How many of them are completed in the stage *acceptance*; CVAT counts no others here.
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
    accepted: int
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
