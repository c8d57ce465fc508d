"""The recipe of `preannotate rank`: read the task, run the function, rank the frames, write the results."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from builder.function_directory import FunctionDirectory
from preannotate.active_learning.frame_inference import FrameInference, frame_link, frame_name, label_notes
from preannotate.active_learning.ranking.new_task import create_ranked_task
from preannotate.active_learning.ranking.order import AnnotatedFrames, RankedFrame, rank_frames
from preannotate.active_learning.ranking.results import FORMAT, RankedEntry, Ranking, write_ranking
from preannotate.active_learning.task_results import FunctionOnTask
from preannotate.cvat.server import Server
from preannotate.cvat.shapes import shapes_of_frames
from preannotate.cvat.tasks import ANNOTATION, GROUND_TRUTH, Task, read_usable_task
from preannotate.cvat.upload import find_unannotated_frames
from runtime.detector import Detection

HELD_OUT = "that a ground-truth job holds for validation"
HONEYPOTS = "that are honeypots"
BETWEEN = "between the compared frames of the video"
# Of a video so many frames are compared for each frame to choose: more would be closer together than any two chosen
# ones, and a film of an hour would be downloaded frame by frame.
CANDIDATES_PER_CHOICE = 20
_DETECTIONS_PER_FRAME = 20
_Value = TypeVar("_Value")


@dataclass(frozen=True)
class RankingRequest(FunctionOnTask):
    """What to rank; `new_task_name` is that of a CVAT task to create of the chosen frames, None creates none."""

    new_task_name: str | None = None


def rank_task(server: Server, request: RankingRequest) -> Ranking:
    """Choose frames without annotations to annotate next; write the results and, if wanted, create a task of them.

    Raises:
        CvatError: CVAT does not respond, or the task has none of the function's labels.
        InferenceError: The function cannot be loaded, or its process ended.
    """
    task = read_usable_task(server, request.task)
    ranking = _rank(server, task, request)
    write_ranking(ranking, request.output)
    if request.new_task_name is not None:
        number, existed = create_ranked_task(server, task, ranking, request.new_task_name, request.output)
        ranking["created"] = {"task": number, "link": f"{server.url}/tasks/{number}", "existed": existed}
        write_ranking(ranking, request.output)
    return ranking


def _rank(server: Server, task: Task, request: RankingRequest) -> Ranking:
    function = request.function
    notes = [*server.notes, *label_notes(task, function)]
    with_anything, annotated = _annotated(server, task, function)
    jobs, left_out = _candidates(task, with_anything)
    labels = annotated.labels
    if task.video:
        jobs, between = _thinned(jobs, CANDIDATES_PER_CHOICE * request.top)
        labels, _ = _thinned(labels, CANDIDATES_PER_CHOICE * request.top)
        if between:
            left_out[BETWEEN] = between
    inference = FrameInference(server, task, function, request.output, workers=request.workers)
    found = inference.detect(sorted(jobs), describe_too=True)
    detections = {frame: one.detections for frame, one in found.items() if one.error is None}
    descriptors = inference.descriptors(sorted({*detections, *labels})) if detections else {}
    ranked = rank_frames(
        detections,
        descriptors,
        function.manifest.postprocess.thresholds,
        AnnotatedFrames(labels, annotated.boxes, task.video),
        top=request.top,
    )
    return {
        "format": FORMAT,
        "server": server.url,
        "task": task.id,
        "function": function.name,
        "fingerprint": function.fingerprint,
        "candidates": len(jobs),
        "annotated": len(annotated.labels),
        "left_out": left_out,
        "unreadable": {str(frame): one.error for frame, one in found.items() if one.error is not None},
        "notes": notes,
        "frames": [
            _entry(server, task, jobs[one.frame], rank, one, detections[one.frame])
            for rank, one in enumerate(ranked, start=1)
        ],
    }


def _annotated(
    server: Server, task: Task, function: FunctionDirectory
) -> tuple[dict[int, frozenset[int]], AnnotatedFrames]:
    """Number of an annotation job to its frames with anything, an ended track included; and what is annotated."""
    frames: dict[int, frozenset[int]] = {}
    labels: dict[int, frozenset[str]] = {}
    boxes: Counter[str] = Counter()
    for job in task.jobs:
        if job.type not in (ANNOTATION, GROUND_TRUTH):
            continue
        annotations = server.annotations_of_job(job.id)
        with server.parsing_response(f"annotations of job {job.id}"):
            shapes = shapes_of_frames(task, job, annotations)
            keys = frozenset(key["frame"] for track in annotations["tracks"] for key in track["shapes"])
        if job.type == ANNOTATION:
            frames[job.id] = frozenset(shapes) | keys
        for frame, of_frame in shapes.items():
            names = [shape.label for shape in of_frame if shape.boxed]
            if frame not in labels:  # jobs may overlap
                labels[frame] = frozenset(names)
                boxes.update(names)
    # Empty frames of completed jobs are annotated, too: somebody saw that nothing is there.
    completed = {frame for job in task.jobs if job.id in frames and job.completed for frame in job.frames}
    labels |= dict.fromkeys(completed - set(labels), frozenset())
    common = {label.name for label in task.labels.values()} & set(function.labels)
    counts = {label: boxes[label] for label in function.labels if label in common}
    return frames, AnnotatedFrames(labels, counts, task.video)


def _candidates(task: Task, annotated: Mapping[int, frozenset[int]]) -> tuple[dict[int, int], dict[str, int]]:
    """Frame to its job, and reason to number of frames that are left out."""
    unannotated = find_unannotated_frames(task, annotated, annotated_too=False)
    held_out = {frame for job in task.jobs if job.type == GROUND_TRUTH for frame in job.frames}
    left_out = Counter(unannotated.passed_over)
    jobs = {}
    for job, frames in unannotated.frames.items():
        for frame in frames:
            if frame in task.real_frames:
                left_out[HONEYPOTS] += 1
            elif frame in held_out:
                left_out[HELD_OUT] += 1
            else:
                jobs[frame] = job
    return jobs, dict(left_out)


def _thinned(frames: Mapping[int, _Value], most: int) -> tuple[dict[int, _Value], int]:
    """At most so many frames, evenly, and how many are left out."""
    step = -(-len(frames) // most)  # rounded up
    kept = sorted(frames)[:: max(step, 1)]
    return {frame: frames[frame] for frame in kept}, len(frames) - len(kept)


def _entry(
    server: Server, task: Task, job: int, rank: int, ranked: RankedFrame, detections: tuple[Detection, ...]
) -> RankedEntry:
    return {
        "rank": rank,
        "frame": ranked.frame,
        "job": job,
        "image": frame_name(task, ranked.frame),
        "uncertainty": round(ranked.uncertainty, 4),
        "diversity": round(ranked.diversity, 4),
        "reasons": list(ranked.reasons),
        "link": frame_link(server, task, job, ranked.frame),
        "detections": [
            {"label": one.label, "score": round(one.score, 4), "box": list(one.box)}
            for one in detections[:_DETECTIONS_PER_FRAME]
        ],
    }
