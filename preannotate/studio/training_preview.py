"""How many boxes a training would take from tasks, by the rules of `pull`; no image is looked at.

Annotations of a job are kept in the database in few words, until the job or its task changes: counting a large task
takes as many requests as it has jobs, once.
"""

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from preannotate.cvat.selection import Rules, Selection, TakenFrame, jobs_of_use, select
from preannotate.cvat.server import Server
from preannotate.cvat.shapes import shapes_of_frames
from preannotate.cvat.tasks import Job, Task
from preannotate.formats.records import Shape
from preannotate.jobs.database import Database

# More jobs are not counted: what is known then is enough for advice.
MOST_JOBS = 200
# Requests at a time.
_AT_ONCE = 4
# Enough to know how large objects are.
_MOST_SIDES = 2000

Shapes = Mapping[int, tuple[Shape, ...]]


@dataclass(frozen=True)
class AnnotationCounts:
    """What a training would take.

    Attributes:
        boxes: Label to number of boxes.
        annotated_frames: Frames with boxes, of training and validation.
        empty_frames: Frames that show nothing.
        automatic: Boxes that a model drew and nobody changed; they are not in `boxes`.
        left_out: Reason to number of frames.
        counted_jobs: Jobs that were looked at,
        all_jobs: of so many.
        image_size: (width, height) of most images; (0, 0) if there are none.
        sides: Root of the area of boxes, pixels of their images; a sample.
    """

    boxes: Mapping[str, int]
    annotated_frames: int
    empty_frames: int
    automatic: int
    left_out: Mapping[str, int]
    counted_jobs: int
    all_jobs: int
    image_size: tuple[int, int]
    sides: tuple[float, ...]


def count_annotations(server: Server, server_id: int, tasks: Sequence[Task], database: Database) -> AnnotationCounts:
    """Count the boxes of tasks.

    Args:
        server: Where they are.
        server_id: In the studio.
        tasks: With their jobs.
        database: Keeps what was counted.

    Raises:
        CvatError: The server refuses something, or answers in an unknown form.
    """
    jobs = [(task, job) for task in tasks for job in jobs_of_use(task)]
    counted = jobs[:MOST_JOBS]
    with ThreadPoolExecutor(_AT_ONCE, "count") as pool:
        found = list(pool.map(lambda pair: _shapes(server, server_id, pair[0], pair[1], database), counted))
    shapes = {job.id: of_job for (_, job), of_job in zip(counted, found, strict=True)}
    known = [replace(task, jobs=tuple(job for job in task.jobs if job.id in shapes)) for task in tasks]
    selection = select(known, shapes, Rules(accept_completed=True))  # as the form offers it
    not_accepted = _everything({job.id: shapes[job.id] for _, job in counted if not job.completed})
    return _counts(selection, known, len(counted), len(jobs), not_accepted)


def _counts(
    selection: Selection, tasks: Sequence[Task], counted: int, jobs: int, shapes: list[Shape]
) -> AnnotationCounts:
    taken: tuple[TakenFrame, ...] = (*selection.training, *selection.validation)
    boxes = [
        shape for one in taken for shape in one.shapes if shape.boxed and not shape.automatic
    ]  # as training takes them
    sides = [_side(shape) for shape in boxes]
    sizes = Counter(size for task in tasks for size in task.sizes)
    return AnnotationCounts(
        boxes=Counter(shape.label for shape in boxes),
        annotated_frames=sum(not one.negative for one in taken),
        empty_frames=sum(one.negative for one in taken),
        automatic=sum(shape.boxed and shape.automatic for shape in shapes),
        left_out=selection.left_out,
        counted_jobs=counted,
        all_jobs=jobs,
        image_size=sizes.most_common(1)[0][0] if sizes else (0, 0),
        sides=tuple(sides[:: max(1, math.ceil(len(sides) / _MOST_SIDES))]),
    )


def _everything(shapes: Mapping[int, Shapes]) -> list[Shape]:
    return [shape for of_job in shapes.values() for of_frame in of_job.values() for shape in of_frame]


def _shapes(server: Server, server_id: int, task: Task, job: Job, database: Database) -> Shapes:
    """Frame to its shapes, from the database if nothing changed since."""
    state = f"{job.updated} {task.updated} {len(job.frames)}"
    statement = "SELECT content FROM annotations WHERE server = ? AND job = ? AND updated = ?"
    if rows := database.rows(statement, (server_id, job.id, state)):
        return _read(rows[0]["content"])
    annotations = server.annotations_of_job(job.id)
    with server.parsing_response(f"annotations of job {job.id}"):
        content = _written(shapes_of_frames(task, job, annotations))
    database.change("INSERT OR REPLACE INTO annotations VALUES (?, ?, ?, ?)", (server_id, job.id, state, content))
    return _read(content)


def _written(shapes: Shapes) -> str:
    few = {
        frame: [(shape.kind, shape.label, shape.source, round(_side(shape), 1)) for shape in of_frame]
        for frame, of_frame in shapes.items()
    }
    return json.dumps(few, ensure_ascii=False, separators=(",", ":"))


def _read(content: str) -> Shapes:
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
