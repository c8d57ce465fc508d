"""Uploading a function's shapes to a job without touching what is there.

Shapes are added by CVAT's PATCH with `action=create`, all or none of a batch. The job's annotations are read again
before each batch, because people go on working, and after a lost response, because the same shapes twice are worse than
none.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from preannotate.cvat.errors import CvatError
from preannotate.cvat.label_types import shape_type
from preannotate.cvat.server import Json, Server
from preannotate.cvat.shapes import shapes_of_frames
from preannotate.cvat.tasks import ANNOTATION, Job, Task
from preannotate.formats.cvat_xml import ANY
from preannotate.formats.records import AUTOMATIC
from runtime.cvat import mask_points
from runtime.detector import Detection
from runtime.manifest import MASK, POLYGON, RECTANGLE
from runtime.polygons import polygon

COMPLETED_JOBS = "of completed jobs"
ANNOTATED = "that have annotations"
_PLURALS = {RECTANGLE: "rectangles", POLYGON: "polygons", MASK: "masks"}


@dataclass(frozen=True)
class UnannotatedFrames:
    """Frames to annotate.

    Attributes:
        frames: Number of a job to its frames, in order; each frame in one job only.
        passed_over: Reason to number of frames.
    """

    frames: Mapping[int, tuple[int, ...]]
    passed_over: Mapping[str, int]


@dataclass(frozen=True)
class TargetLabel:
    """A label of a task that a function's objects get.

    Attributes:
        id: On the server.
        attributes: Id of each attribute to its default, which CVAT's page would fill in.
        confidence: (id, minimum, maximum, step) of the number attribute for the score; None stores no score.
        shape: Type of its shapes: "rectangle", "polygon" or "mask".
    """

    id: int
    attributes: Mapping[int, str]
    confidence: tuple[int, float, float, float] | None = None
    shape: str = RECTANGLE

    def values(self, score: float) -> list[tuple[int, str]]:
        """Return id and text of each attribute of a box with this score, in [0, 1]."""
        values = dict(self.attributes)
        if self.confidence is not None:
            number, minimum, maximum, step = self.confidence
            steps = round(score * (maximum - minimum) / step)
            values[number] = f"{minimum + steps * step:.6f}".rstrip("0").rstrip(".")
        return sorted(values.items())


def find_unannotated_frames(
    task: Task, annotated: Mapping[int, Collection[int]], *, annotated_too: bool
) -> UnannotatedFrames:
    """Return the frames of a task that a function may annotate.

    People's work is not touched: frames with any annotation are passed over, and so are completed jobs, whose empty
    frames somebody left empty, and ground-truth jobs, which measure people.

    Args:
        task: With its jobs.
        annotated: Number of an annotation job to its frames that have annotations.
        annotated_too: Include these frames.
    """
    jobs = [job for job in task.jobs if job.type == ANNOTATION]
    anywhere = {frame for job in jobs for frame in annotated[job.id]}
    seen: set[int] = set()
    passed_over: Counter[str] = Counter()
    frames: dict[int, tuple[int, ...]] = {}
    for job in sorted(jobs, key=lambda job: not job.completed):  # an overlap with a completed job is completed
        own = [frame for frame in job.frames if frame not in seen]
        seen.update(own)
        if job.completed:
            passed_over[COMPLETED_JOBS] += len(own)
            continue
        free = tuple(frame for frame in own if annotated_too or frame not in anywhere)
        passed_over[ANNOTATED] += len(own) - len(free)
        if free:
            frames[job.id] = free
    return UnannotatedFrames(frames, {reason: count for reason, count in passed_over.items() if count})


def match_labels(
    task: int, content: Sequence[Json], labels: Mapping[str, str], confidence: str | None
) -> tuple[dict[str, TargetLabel], list[str]]:
    """Match the labels of a function to those of a task by name.

    Args:
        task: Number, for messages.
        content: The task's labels as the server gives them.
        labels: Name to type of those of the function.
        confidence: Name of the attribute for the score; None stores no score.

    Returns:
        Name to label, and a whole sentence about each name that has no label.

    Raises:
        CvatError: Nothing matches, or no matching label has the attribute.
    """
    of_task = {label["name"].strip(): label for label in content if label.get("parent_id") is None}
    shapes = {
        name: shape_type(kind, of_task[name].get("type", ANY)) for name, kind in labels.items() if name in of_task
    }
    matched = {name: _target(of_task[name], confidence, shape) for name, shape in shapes.items() if shape is not None}
    if not matched:
        wanted = sorted(set(labels.values()))
        usable = [name for name, label in of_task.items() if any(shape_type(k, label.get("type", ANY)) for k in wanted)]
        kinds = " and ".join(_PLURALS.get(kind, _PLURALS[RECTANGLE]) for kind in wanted)
        raise CvatError(
            f"task {task}: none of the function's labels ({', '.join(labels)}) is one of its labels for {kinds} "
            f"({', '.join(usable) or 'it has none'}); expected the same names. Rename them in the task or in "
            f"function.yaml."
        )
    if confidence is not None and not any(target.confidence for target in matched.values()):
        raise CvatError(
            f"--confidence-attribute: no label of task {task} that is filled has a number attribute {confidence!r}; "
            f"expected one. Add it to the labels in CVAT, of type Number, from 0 to 100."
        )
    unmatched = [
        f"label {name!r} of task {task} is of the type {of_task[name]['type']}: its {_objects(kind)} are left out."
        if name in of_task
        else f"task {task} has no label {name!r}: its {_objects(kind)} are left out."
        for name, kind in labels.items()
        if name not in matched
    ]
    return matched, unmatched


def annotated_frames(server: Server, task: Task, job: Job) -> frozenset[int]:
    """Return the frames of a job that have annotations of any kind now, or on which somebody ended a track."""
    annotations = server.annotations_of_job(job.id)
    with server.parsing_response(f"annotations of job {job.id}"):
        key_frames = {key["frame"] for track in annotations["tracks"] for key in track["shapes"]}
        return frozenset(shapes_of_frames(task, job, annotations)) | key_frames


def add_shapes(
    server: Server,
    task: Task,
    job: Job,
    found: Mapping[int, Sequence[Detection]],
    labels: Mapping[str, TargetLabel],
    *,
    annotated_too: bool,
) -> tuple[int, int]:
    """Upload the detections of some frames.

    Args:
        server: Of the job.
        task: Of the job.
        job: Gets the shapes.
        found: Frame (relative) to detections.
        labels: By name; detections of other labels are left out.
        annotated_too: Also add to frames on which somebody drew something meanwhile.

    Returns:
        Number of shapes, and of frames that were left alone because they have annotations now.
    """
    excluded = frozenset() if annotated_too else annotated_frames(server, task, job)
    shapes = [
        _shape(frame, detection, labels[detection.label])
        for frame, detections in found.items()
        if frame not in excluded
        for detection in detections
        if detection.label in labels
    ]
    if shapes:
        frames = {shape["frame"] for shape in shapes}
        before = _count(server, job, frames) if annotated_too else 0
        server.add_shapes(job.id, shapes, happened=lambda: _count(server, job, frames) >= before + len(shapes))
    return len(shapes), len(excluded & set(found))


def _objects(kind: str) -> str:
    return "boxes" if kind not in _PLURALS or kind == RECTANGLE else _PLURALS[kind]


def _target(label: Json, confidence: str | None, shape: str) -> TargetLabel:
    attributes = label.get("attributes", [])
    limits = None
    for attribute in attributes:
        if attribute["name"] == confidence and attribute["input_type"] == "number":
            minimum, maximum, step = (float(value) for value in attribute["values"])
            limits = (attribute["id"], minimum, maximum, step)
    defaults = {attribute["id"]: attribute.get("default_value") or "" for attribute in attributes}
    return TargetLabel(label["id"], defaults, limits, shape)


def _count(server: Server, job: Job, frames: set[int]) -> int:
    """Number of automatic shapes on these frames."""
    annotations = server.annotations_of_job(job.id)
    with server.parsing_response(f"annotations of job {job.id}"):
        return sum(shape["frame"] in frames and shape.get("source") == AUTOMATIC for shape in annotations["shapes"])


def _shape(frame: int, detection: Detection, label: TargetLabel) -> Json:
    kind = label.shape
    points: Sequence[float] = [round(float(value), 2) for value in detection.box]
    if kind == RECTANGLE or detection.mask is None:
        kind = RECTANGLE
    elif kind == MASK:
        points = mask_points(detection.mask)
    else:
        points = polygon(detection.mask).reshape(-1).tolist()
    return {
        "type": kind,
        "frame": frame,
        "label_id": label.id,
        "points": points,
        "source": AUTOMATIC,
        "attributes": [{"spec_id": number, "value": value} for number, value in label.values(detection.score)],
    }
