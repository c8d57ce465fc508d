"""The recipe of `preannotate review`: read the task, ask the function, compare, rank."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from builder.function_directory import FunctionDirectory
from preannotate.active_learning.frame_inference import FrameDetections, FrameInference
from preannotate.active_learning.ranking.rank_task import frame_link, frame_name, known_labels
from preannotate.active_learning.review.disagreements import TITLES, Disagreement, find_disagreements
from preannotate.active_learning.review.frames import ReviewedFrame, annotated_boxes
from preannotate.active_learning.review.results import FORMAT
from preannotate.active_learning.review.trained_on import images_trained_on
from preannotate.cvat.errors import CvatError
from preannotate.cvat.selection import Rules, TakenFrame, jobs_of_use, select
from preannotate.cvat.server import Server
from preannotate.cvat.shapes import shapes_of_frames
from preannotate.cvat.tasks import Task, read_usable_task


@dataclass(frozen=True)
class Review:
    """What was found.

    Attributes:
        disagreements: The likeliest mistake first.
        jobs: Frame to the job in which its annotations are.
        content: Of `review.json`.
    """

    disagreements: tuple[Disagreement, ...]
    jobs: Mapping[int, int]
    content: dict[str, Any]


def review_task(
    server: Server,
    number: int,
    function: FunctionDirectory,
    output: Path,
    *,
    completed_jobs: bool = False,
    run: Path | None = None,
    workers: int | None = None,
) -> Review:
    """Compare a function with the annotations of a task.

    Args:
        server: Where the task is.
        number: Of the task.
        function: That is asked.
        output: Where answers are kept.
        completed_jobs: Compare frames of completed jobs only.
        run: The function's run; None looks in the usual places.
        workers: Processes; None takes as many as are worth starting.

    Raises:
        CvatError: The server does not answer, nothing is annotated, or the function knows none of the task's labels.
        InferenceError: The function cannot be loaded, or ended.
    """
    task = read_usable_task(server, number)
    notes = known_labels(task, function)
    taken, left_out = _annotated(server, task, completed_jobs=completed_jobs)
    seen = FrameInference(server, task, function, output, workers=workers).found([one.frame for one in taken])
    views = [_view(one, seen[one.frame], function, task) for one in taken if not seen[one.frame].error]
    disagreements = find_disagreements(views, function.manifest.postprocess.thresholds)
    learnt, about_learning = _learnt(function, run, seen)
    jobs = {one.frame: one.job.id for one in taken}
    return Review(
        tuple(disagreements),
        jobs,
        {
            "format": FORMAT,
            "server": server.url,
            "task": number,
            "task_name": task.name,
            "function": function.name,
            "fingerprint": function.fingerprint,
            "frames": len(views),
            "boxes": sum(len(view.drawn) for view in views),
            "learnt_frames": None if learnt is None else len(learnt),
            "left_out": left_out,
            "unreadable": {str(frame): one.error for frame, one in seen.items() if one.error},
            "notes": [*notes, *about_learning],
            "kinds": {kind: sum(one.kind == kind for one in disagreements) for kind in TITLES},
            "disagreements": [
                _entry(server.url, task, jobs[one.frame], rank, one, learnt=one.frame in (learnt or ()))
                for rank, one in enumerate(disagreements, start=1)
            ],
        },
    )


def _annotated(server: Server, task: Task, *, completed_jobs: bool) -> tuple[list[TakenFrame], dict[str, int]]:
    shapes = {}
    for job in jobs_of_use(task):
        annotations = server.annotations_of_job(job.id)
        with server.parsing_response(f"annotations of job {job.id}"):
            shapes[job.id] = shapes_of_frames(task, job, annotations)
    selection = select([task], shapes, Rules(completed_jobs=completed_jobs))
    taken = sorted((*selection.training, *selection.validation), key=lambda one: one.frame)
    if not taken:
        why = "; ".join(f"{count} {reason}" for reason, count in selection.left_out.items())
        raise CvatError(
            f"task {task.id}: no annotated frame to compare; expected some."
            f"{f' Left out were frames: {why}.' if why else ''} Annotate some in CVAT and save them."
        )
    return taken, dict(selection.left_out)


def _view(taken: TakenFrame, seen: FrameDetections, function: FunctionDirectory, task: Task) -> ReviewedFrame:
    names = {label.name for label in task.labels.values()}
    return ReviewedFrame(
        taken.frame,
        tuple(annotated_boxes(taken.shapes, function.labels, task.image_size(taken.frame))),
        tuple(one for one in seen.detections if one.label in names),
    )


def _learnt(
    function: FunctionDirectory, run: Path | None, seen: Mapping[int, FrameDetections]
) -> tuple[set[int] | None, Sequence[str]]:
    """Frames that the function was trained on, and a sentence about it."""
    images = images_trained_on(function, run)
    if images is None:
        return None, [
            "the run of this function was not found, so it is not known whether it was trained on these frames: a "
            "model agrees with what it has learnt. --run names it."
        ]
    learnt = {frame for frame, one in seen.items() if one.content in images}
    if not learnt:
        return learnt, []
    return learnt, [
        f"the model was trained on {len(learnt)} of these {len(seen)} frames: it agrees with what it has learnt, and "
        f"mistakes on them are harder to find."
    ]


def _entry(url: str, task: Task, job: int, rank: int, one: Disagreement, *, learnt: bool) -> dict[str, Any]:
    return {
        "rank": rank,
        "kind": one.kind,
        "likelihood": round(one.likelihood, 4),
        "frame": one.frame,
        "job": job,
        "image": frame_name(task, one.frame),
        "label": one.label,
        "model_label": one.model_label,
        "score": None if one.score is None else round(one.score, 4),
        "iou": None if one.iou is None else round(one.iou, 4),
        "people": [[round(value, 2) for value in box] for box in one.people],
        "model": [round(value, 2) for value in one.model] if one.model else None,
        "learnt": learnt,
        "text": one.text,
        "link": frame_link(url, task.id, job, one.frame),
    }
