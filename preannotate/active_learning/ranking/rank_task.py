"""The recipe of `preannotate rank`: read the task, ask the function, order, say why."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from builder.function_directory import FunctionDirectory
from preannotate.active_learning.frame_inference import FrameDetections, FrameInference
from preannotate.active_learning.ranking.order import Annotated, RankedFrame, rank_frames
from preannotate.active_learning.ranking.results import FORMAT
from preannotate.cvat.errors import CvatError
from preannotate.cvat.server import Server
from preannotate.cvat.shapes import shapes_of_frames
from preannotate.cvat.tasks import ANNOTATION, GROUND_TRUTH, Task, has_boxes, read_usable_task
from preannotate.cvat.unannotated_frames import find_vacancies
from runtime.detector import Detection

HELD_OUT = "that a ground-truth job holds for validation"
HONEYPOTS = "that are honeypots"
BETWEEN = "that lie between those of the video that were looked at"
# Of a video so many frames are looked at for each that is wanted: more would lie closer together than any two that are
# chosen, and a film of an hour would be downloaded frame by frame.
CANDIDATES_PER_CHOICE = 20
_MOST_DETECTIONS = 20
_Value = TypeVar("_Value")


@dataclass(frozen=True)
class TaskAnnotations:
    """What people and models drew.

    Attributes:
        frames: Number of an annotation job to its frames that have anything, an ended track included.
        labels: Annotated frame to the labels of its boxes; empty frames of completed jobs are annotated, too.
        boxes: Label to number of boxes.
    """

    frames: Mapping[int, frozenset[int]]
    labels: Mapping[int, frozenset[str]]
    boxes: Mapping[str, int]


def rank_task(
    server: Server, number: int, function: FunctionDirectory, output: Path, *, top: int, workers: int | None = None
) -> tuple[Task, dict[str, Any]]:
    """Order the frames of a task that have no annotations.

    Args:
        server: Where the task is.
        number: Of the task.
        function: That is asked.
        output: Where answers are kept.
        top: How many frames are wanted.
        workers: Processes; None takes as many as are worth starting.

    Returns:
        The task, and the content of `ranking.json`.

    Raises:
        CvatError: The server does not answer, or the function knows none of the task's labels.
        InferenceError: The function cannot be loaded, or ended.
    """
    task = read_usable_task(server, number)
    notes = known_labels(task, function)
    drawn = _annotations(server, task, function)
    jobs, passed_over = _candidates(task, drawn)
    shown = drawn.labels
    if task.video:
        jobs, left_out = _thinned(jobs, CANDIDATES_PER_CHOICE * top)
        shown, _ = _thinned(shown, CANDIDATES_PER_CHOICE * top)
        passed_over |= {BETWEEN: left_out} if left_out else {}
    asking = FrameInference(server, task, function, output, workers=workers)
    seen = asking.found(sorted(jobs), looks_too=True)
    readable = {frame: _of_task(one, task) for frame, one in seen.items() if not one.error}
    looks = asking.looks(sorted({*readable, *shown})) if readable else {}
    ranked = rank_frames(
        readable, looks, function.manifest.postprocess.thresholds, Annotated(shown, drawn.boxes, task.video), top=top
    )
    return task, {
        "format": FORMAT,
        "server": server.url,
        "task": number,
        "function": function.name,
        "fingerprint": function.fingerprint,
        "candidates": len(jobs),
        "annotated": len(drawn.labels),
        "passed_over": passed_over,
        "unreadable": {str(frame): one.error for frame, one in seen.items() if one.error},
        "notes": notes,
        "frames": [
            _entry(server.url, task, jobs[one.frame], place, one, readable[one.frame])
            for place, one in enumerate(ranked, start=1)
        ],
    }


def known_labels(task: Task, function: FunctionDirectory) -> list[str]:
    """Sentences about labels of a function that a task does not have.

    Raises:
        CvatError: It has none of them.
    """
    names = [label.name for label in task.labels.values() if has_boxes(label)]
    missing = [label for label in function.labels if label not in names]
    if len(missing) == len(function.labels):
        raise CvatError(
            f"task {task.id}: none of the function's labels ({', '.join(function.labels)}) is one of its labels for "
            f"boxes ({', '.join(names) or 'it has none'}); expected the same names. Rename them in the task or in "
            f"function.yaml."
        )
    return [f"task {task.id} has no label {label!r}: its boxes are left out." for label in missing]


def frame_link(url: str, task: int, job: int, frame: int) -> str:
    """The page on which people see a frame."""
    return f"{url}/tasks/{task}/jobs/{job}?frame={frame}"


def frame_name(task: Task, frame: int) -> str:
    """Of the image; frames of a video are numbered as in an export."""
    return f"frame_{task.start + frame * task.step:06d}" if task.video else task.names[frame]


def _annotations(server: Server, task: Task, function: FunctionDirectory) -> TaskAnnotations:
    frames: dict[int, frozenset[int]] = {}
    labels: dict[int, frozenset[str]] = {}
    boxes: Counter[str] = Counter()
    for job in task.jobs:
        if job.type not in (ANNOTATION, GROUND_TRUTH):
            continue
        annotations = server.annotations_of_job(job.id)
        with server.parsing_response(f"annotations of job {job.id}"):
            shapes = shapes_of_frames(task, job, annotations)
            keys = frozenset(key["frame"] for one in annotations["tracks"] for key in one["shapes"])
        if job.type == ANNOTATION:
            frames[job.id] = frozenset(shapes) | keys
        for frame, drawn in shapes.items():
            names = [shape.label for shape in drawn if shape.boxed]
            if frame not in labels:  # jobs may overlap
                labels[frame] = frozenset(names)
                boxes.update(names)
    # On frames of completed jobs somebody saw that nothing is there.
    seen = {frame for job in task.jobs if job.id in frames and job.completed for frame in job.frames}
    labels |= dict.fromkeys(seen - set(labels), frozenset())
    of_both = {label.name for label in task.labels.values()} & set(function.labels)
    return TaskAnnotations(frames, labels, {label: boxes[label] for label in function.labels if label in of_both})


def _candidates(task: Task, drawn: TaskAnnotations) -> tuple[dict[int, int], dict[str, int]]:
    """Frame to its job, and reason to number of frames that are not meant."""
    vacancies = find_vacancies(task, drawn.frames, annotated_too=False)
    held_out = {frame for job in task.jobs if job.type == GROUND_TRUTH for frame in job.frames}
    passed_over = Counter(vacancies.passed_over)
    jobs = {}
    for job, frames in vacancies.frames.items():
        for frame in frames:
            if frame in task.real_frames:
                passed_over[HONEYPOTS] += 1
            elif frame in held_out:
                passed_over[HELD_OUT] += 1
            else:
                jobs[frame] = job
    return jobs, dict(passed_over)


def _thinned(frames: Mapping[int, _Value], most: int) -> tuple[dict[int, _Value], int]:
    """At most so many frames, evenly, and how many are left out."""
    step = -(-len(frames) // most)  # rounded up
    kept = sorted(frames)[:: max(step, 1)]
    return {frame: frames[frame] for frame in kept}, len(frames) - len(kept)


def _of_task(seen: FrameDetections, task: Task) -> tuple[Detection, ...]:
    names = {label.name for label in task.labels.values()}
    return tuple(one for one in seen.detections if one.label in names)


def _entry(
    url: str, task: Task, job: int, place: int, ranked: RankedFrame, detections: tuple[Detection, ...]
) -> dict[str, Any]:
    return {
        "rank": place,
        "frame": ranked.frame,
        "job": job,
        "image": frame_name(task, ranked.frame),
        "doubt": round(ranked.doubt, 4),
        "spread": round(ranked.spread, 4),
        "why": list(ranked.reasons),
        "link": frame_link(url, task.id, job, ranked.frame),
        "detections": [
            {"label": one.label, "score": round(one.score, 4), "box": list(one.box)}
            for one in detections[:_MOST_DETECTIONS]
        ],
    }
