"""Counts of what a training would use of tasks, by the rules of `pull`, without downloading images.

A short form of each job's annotations is cached in the database until the job or its task changes: counting a large
task takes one request for each of its jobs, once.
"""

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from preannotate.formats.records import OUTLINE_KINDS, Shape
from preannotate.jobs.database import Database

if TYPE_CHECKING:
    from preannotate.cvat.selection import FrameSelection, SelectedFrame
    from preannotate.cvat.server import Server
    from preannotate.cvat.tasks import Job, Task

# Further jobs are not counted: so many are enough for an assessment.
MOST_JOBS = 200
# Simultaneous requests.
_AT_ONCE = 4
# Enough to know how large objects are.
_MOST_SIDES = 2000

Shapes = Mapping[int, tuple[Shape, ...]]


@dataclass(frozen=True, kw_only=True)
class AnnotationCounts:
    """What a training would use of tasks, by the rules of `preannotate pull`.

    Attributes:
        boxes: Label to number of boxes on the frames that a training would use.
        outlines: How many of these were drawn as polygons, masks or ellipses.
        annotated_frames: Frames with boxes, for training and validation.
        empty_frames: Frames of completed jobs without annotations, which a training uses as images without objects.
        automatic: Boxes drawn by a model and never corrected; a training leaves them out, and `boxes` does too.
        left_out: Reason to number of frames: "without annotations, in a job that is not completed".
        all_jobs: Number of jobs; more than `counted_jobs` only for tasks with very many.
        image_size: (width, height) of most images; None if not known.
        sides: Square root of the area of boxes, in pixels of images of `image_size`; a sample if there are many.
    """

    boxes: Mapping[str, int] = field(default_factory=dict)
    outlines: int = 0
    annotated_frames: int = 0
    empty_frames: int = 0
    automatic: int = 0
    left_out: Mapping[str, int] = field(default_factory=dict)
    counted_jobs: int = 0
    all_jobs: int = 0
    image_size: tuple[int, int] | None = None
    sides: tuple[float, ...] = ()


def count_annotations(
    server: "Server", server_id: int, tasks: "Sequence[Task]", database: Database
) -> AnnotationCounts:
    """Count what a training would use of tasks.

    CvatError is raised if the server rejects a request, or its answer has an unknown form.
    """
    from preannotate.cvat.selection import FrameSelectionRules, select_frames, used_jobs

    jobs = [(task, job) for task in tasks for job in used_jobs(task)]
    counted = jobs[:MOST_JOBS]
    with ThreadPoolExecutor(_AT_ONCE, "count") as pool:
        found = list(pool.map(lambda pair: _shapes(server, server_id, pair[0], pair[1], database), counted))
    shapes = {job.id: of_job for (_, job), of_job in zip(counted, found, strict=True)}
    known = [replace(task, jobs=tuple(job for job in task.jobs if job.id in shapes)) for task in tasks]
    selection = select_frames(known, shapes, FrameSelectionRules(accept_completed=True))  # as the form offers it
    not_accepted = [
        shape for _, job in counted if not job.completed for of_frame in shapes[job.id].values() for shape in of_frame
    ]
    return _counts(selection, known, len(counted), len(jobs), not_accepted)


def _counts(
    selection: "FrameSelection", tasks: "Sequence[Task]", counted: int, jobs: int, shapes: list[Shape]
) -> AnnotationCounts:
    frames: tuple[SelectedFrame, ...] = (*selection.training, *selection.validation)
    # As in training.
    boxes = [shape for one in frames for shape in one.shapes if shape.boxed and not shape.automatic]
    sides = [_side(shape) for shape in boxes]
    sizes = Counter(size for task in tasks for size in task.sizes)
    return AnnotationCounts(
        boxes=Counter(shape.label for shape in boxes),
        outlines=sum(shape.kind in OUTLINE_KINDS for shape in boxes),
        annotated_frames=sum(not one.negative for one in frames),
        empty_frames=sum(one.negative for one in frames),
        automatic=sum(shape.boxed and shape.automatic for shape in shapes),
        left_out=selection.left_out,
        counted_jobs=counted,
        all_jobs=jobs,
        image_size=sizes.most_common(1)[0][0] if sizes else None,
        sides=tuple(sides[:: max(1, math.ceil(len(sides) / _MOST_SIDES))]),
    )


def _shapes(server: "Server", server_id: int, task: "Task", job: "Job", database: Database) -> Shapes:
    """Return the shapes of each frame of a job, from the database while job and task are unchanged."""
    from preannotate.cvat.shapes import shapes_of_frames

    state = f"{job.updated} {task.updated} {len(job.frames)}"
    statement = "SELECT content FROM annotations WHERE server = ? AND job = ? AND updated = ?"
    if rows := database.rows(statement, (server_id, job.id, state)):
        return _from_text(rows[0]["content"])
    annotations = server.annotations_of_job(job.id)
    with server.parsing_response(f"annotations of job {job.id}"):
        content = _to_text(shapes_of_frames(task, job, annotations))
    database.change("INSERT OR REPLACE INTO annotations VALUES (?, ?, ?, ?)", (server_id, job.id, state, content))
    return _from_text(content)


def _to_text(shapes: Shapes) -> str:
    few = {
        frame: [(shape.kind, shape.label, shape.source, round(_side(shape), 1)) for shape in of_frame]
        for frame, of_frame in shapes.items()
    }
    return json.dumps(few, ensure_ascii=False, separators=(",", ":"))


def _from_text(content: str) -> Shapes:
    """Return shapes with a square of the size that was kept."""
    return {
        int(frame): tuple(
            Shape(label, kind, (0.0, 0.0, side, side), source=source) for kind, label, source, side in of_frame
        )
        for frame, of_frame in json.loads(content).items()
    }


def _side(shape: Shape) -> float:
    """Return the root of the area of the box that a shape becomes; 0 if it becomes none."""
    if shape.box is None:
        return 0.0
    x1, y1, x2, y2 = shape.box
    return math.sqrt(max(0.0, (x2 - x1) * (y2 - y1)))
