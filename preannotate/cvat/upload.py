"""Boxes of a function to a job, without touching what is there.

Nothing is replaced: shapes are added by CVAT's PATCH with `action=create`, all or none of a batch. Before each batch
the job is looked at again, because people go on working; and where the answer to a batch is lost it is looked at
once more, because the same boxes twice are worse than none.
"""

from collections.abc import Mapping, Sequence

from preannotate.cvat.labels import TargetLabel
from preannotate.cvat.server import Json, Server
from preannotate.cvat.shapes import shapes_of_frames
from preannotate.cvat.tasks import Job, Task
from preannotate.formats.records import AUTOMATIC
from runtime.detector import Detection


def annotated_frames(server: Server, task: Task, job: Job) -> frozenset[int]:
    """Frames of a job that have annotations of any kind now, or on which somebody ended a track."""
    annotations = server.annotations_of_job(job.id)
    with server.parsing_response(f"annotations of job {job.id}"):
        key_frames = {key["frame"] for track in annotations["tracks"] for key in track["shapes"]}
        return frozenset(shapes_of_frames(task, job, annotations)) | key_frames


def add_boxes(
    server: Server,
    task: Task,
    job: Job,
    found: Mapping[int, Sequence[Detection]],
    labels: Mapping[str, TargetLabel],
    *,
    annotated_too: bool,
) -> tuple[int, int]:
    """Upload what was found on some frames.

    Args:
        server: Where the job is.
        task: Of the job.
        job: Takes the boxes.
        found: Frame (relative) to detections.
        labels: By name; detections of other labels are left out.
        annotated_too: Also add to frames on which somebody drew something meanwhile.

    Returns:
        Number of boxes, and of frames that were left alone because they have annotations now.
    """
    taken = frozenset() if annotated_too else annotated_frames(server, task, job)
    shapes = [
        _shape(frame, detection, labels[detection.label])
        for frame, detections in found.items()
        if frame not in taken
        for detection in detections
        if detection.label in labels
    ]
    if shapes:
        frames = {shape["frame"] for shape in shapes}
        before = _count(server, job, frames) if annotated_too else 0
        server.add_shapes(job.id, shapes, happened=lambda: _count(server, job, frames) >= before + len(shapes))
    return len(shapes), len(taken & set(found))


def _count(server: Server, job: Job, frames: set[int]) -> int:
    """Number of automatic shapes on these frames."""
    annotations = server.annotations_of_job(job.id)
    with server.parsing_response(f"annotations of job {job.id}"):
        return sum(shape["frame"] in frames and shape.get("source") == AUTOMATIC for shape in annotations["shapes"])


def _shape(frame: int, detection: Detection, label: TargetLabel) -> Json:
    return {
        "type": "rectangle",
        "frame": frame,
        "label_id": label.id,
        "points": [round(float(value), 2) for value in detection.box],
        "source": AUTOMATIC,
        "attributes": [{"spec_id": number, "value": value} for number, value in label.values(detection.score)],
    }
