"""Projects and tasks as pages list them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

ListRow = TypeVar("ListRow")


@dataclass(frozen=True)
class ListPage(Generic[ListRow]):
    """One page of a list.

    Attributes:
        entries: Of this page.
        number: Of this page, from 1.
        pages: Number of pages, at least 1.
        count: Number of entries on all pages.
    """

    entries: tuple[ListRow, ...]
    number: int
    pages: int
    count: int


@dataclass(frozen=True)
class ProjectSummary:
    """A project; `updated` is ISO 8601, as the server writes it."""

    id: int
    name: str
    tasks: int
    updated: str


@dataclass(frozen=True)
class TaskSummary:
    """A task.

    Attributes:
        id: On the server.
        name: As in CVAT.
        project_id: None if it belongs to no project.
        project: Name of the project; "" without a project, or if its name cannot be read.
        frames: Number of images, or of frames of the video.
        video: Whether it is a video.
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
class LabelSummary:
    """A label of a task.

    Attributes:
        name: As in CVAT.
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
class AnnotationCounts:
    """What a training would use of tasks, by the rules of `preannotate pull`.

    Attributes:
        boxes: Label to number of boxes on the frames that a training would use.
        annotated_frames: Frames with boxes, for training and validation.
        empty_frames: Frames of completed jobs without annotations, which a training uses as images without objects.
        automatic: Boxes drawn by a model and never corrected; a training leaves them out, and `boxes` does too.
        left_out: Reason to number of frames: "without annotations, in a job that is not completed".
        counted_jobs: Number of jobs whose annotations were counted.
        all_jobs: Number of jobs; more than `counted_jobs` only for tasks with very many.
        image_size: (width, height) of most images; None if not known.
        sides: Square root of the area of boxes, in pixels of images of `image_size`; a sample if there are many.
    """

    boxes: Mapping[str, int] = field(default_factory=dict)
    annotated_frames: int = 0
    empty_frames: int = 0
    automatic: int = 0
    left_out: Mapping[str, int] = field(default_factory=dict)
    counted_jobs: int = 0
    all_jobs: int = 0
    image_size: tuple[int, int] | None = None
    sides: tuple[float, ...] = ()


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
