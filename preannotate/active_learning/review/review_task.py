"""The recipe of `preannotate review`: read the task, run the function, compare, write the results."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from builder.function_directory import FunctionDirectory
from preannotate.active_learning.frame_inference import (
    FrameDetections,
    FrameInference,
    frame_link,
    frame_name,
    label_notes,
)
from preannotate.active_learning.review.crops import crop_disagreements
from preannotate.active_learning.review.disagreements import Disagreement, DisagreementKind, find_disagreements
from preannotate.active_learning.review.issues import add_issues
from preannotate.active_learning.review.results import FORMAT, DisagreementEntry, Review, write_review
from preannotate.active_learning.review.reviewed_frames import ReviewedFrame, annotated_boxes
from preannotate.active_learning.task_results import FunctionOnTask
from preannotate.cvat.errors import CvatError
from preannotate.cvat.selection import FrameSelectionRules, SelectedFrame, select_frames, used_jobs
from preannotate.cvat.server import Server
from preannotate.cvat.shapes import shapes_of_frames
from preannotate.cvat.tasks import Task, read_usable_task
from runtime.errors import ManifestError
from runtime.manifest import Manifest

# Of the provenance in `model.json`: equal in a function and its run, and in no other run.
_RUN_KEYS = ("created", "dataset")


@dataclass(frozen=True)
class ReviewRequest(FunctionOnTask):
    """What to review; `run` is the training run of the function, None searches it in the usual places."""

    completed_jobs: bool = False
    create_issues: bool = False
    run: Path | None = None


def review_task(server: Server, request: ReviewRequest) -> Review:
    """Compare a function with the annotations of a task; write the results and, if wanted, create issues.

    Raises:
        CvatError: CVAT does not respond, nothing is annotated, or the task has none of the function's labels.
        InferenceError: The function cannot be loaded, or its process ended.
    """
    task = read_usable_task(server, request.task)
    notes = [*server.notes, *label_notes(task, request.function)]
    annotated, left_out = _annotated(server, task, completed_jobs=request.completed_jobs)
    inference = FrameInference(server, task, request.function, request.output, workers=request.workers)
    found = inference.detect([one.frame for one in annotated])
    labels, masks = request.function.labels, request.function.manifest.mask_head is not None
    frames = [
        ReviewedFrame(
            one.frame,
            tuple(annotated_boxes(one.shapes, labels, task.image_size(one.frame), masks=masks)),
            found[one.frame].detections,
        )
        for one in annotated
        if found[one.frame].error is None
    ]
    disagreements = find_disagreements(frames, request.function.manifest.postprocess.thresholds)
    trained_on, training_notes = _frames_trained_on(request, found)
    jobs = {one.frame: one.job.id for one in annotated}
    review: Review = {
        "format": FORMAT,
        "server": server.url,
        "task": task.id,
        "task_name": task.name,
        "function": request.function.name,
        "fingerprint": request.function.fingerprint,
        "frames": len(frames),
        "boxes": sum(len(frame.annotated) for frame in frames),
        "frames_trained_on": None if trained_on is None else len(trained_on),
        "left_out": left_out,
        "unreadable": {str(frame): one.error for frame, one in found.items() if one.error is not None},
        "notes": [*notes, *training_notes],
        "kinds": {kind: sum(one.kind == kind for one in disagreements) for kind in DisagreementKind},
        "disagreements": [
            _entry(server, task, jobs[one.frame], rank, one, trained_on=one.frame in (trained_on or ()))
            for rank, one in enumerate(disagreements, start=1)
        ],
    }
    shown = disagreements[: request.top]
    write_review(review, crop_disagreements(server, task.id, shown), request.output)
    if request.create_issues:
        review["issues"] = add_issues(server, jobs, shown)
    return review


def _annotated(server: Server, task: Task, *, completed_jobs: bool) -> tuple[list[SelectedFrame], dict[str, int]]:
    """Annotated frames, and reason to number of frames that are left out."""
    shapes = {}
    for job in used_jobs(task):
        annotations = server.annotations_of_job(job.id)
        with server.parsing_response(f"annotations of job {job.id}"):
            shapes[job.id] = shapes_of_frames(task, job, annotations)
    selection = select_frames([task], shapes, FrameSelectionRules(completed_jobs=completed_jobs))
    annotated = sorted((*selection.training, *selection.validation), key=lambda one: one.frame)
    if not annotated:
        reasons = "; ".join(f"{count} {reason}" for reason, count in selection.left_out.items())
        raise CvatError(
            f"task {task.id}: no annotated frame{f' (left out: {reasons})' if reasons else ''}; expected some to "
            f"compare. Annotate frames in CVAT and save them."
        )
    return annotated, dict(selection.left_out)


def _frames_trained_on(
    request: ReviewRequest, found: Mapping[int, FrameDetections]
) -> tuple[set[int] | None, list[str]]:
    """Frames that the function was trained on, None if that is unknown; and a note about it."""
    images = _images_trained_on(request.function, request.run)
    if images is None:
        return None, [
            "the training run of this function was not found, so it is unknown whether it was trained on these frames: "
            "a model agrees with what it was trained on. Name the run with --run."
        ]
    frames = {frame for frame, one in found.items() if one.content in images}
    if not frames:
        return frames, []
    return frames, [
        f"the model was trained on {len(frames)} of these {len(found)} frames: it agrees with their annotations, and "
        f"mistakes there are harder to find."
    ]


def _images_trained_on(function: FunctionDirectory, run: Path | None) -> frozenset[str] | None:
    """Return the SHA-256 of each image that a function was trained on; None if its run is not found.

    `model.json` names the training run of a function, and the run has the SHA-256 of each image. Runs are searched
    where `train` and `run` write them, if no run is given, and used only if they are the run of this function.
    """
    for folder in _run_folders(function, run):
        if _is_run_of(folder, function):
            try:
                samples = json.loads((folder / "data" / "train.json").read_text(encoding="utf-8"))["samples"]
                return frozenset(str(sample["content"]) for sample in samples)
            except (OSError, ValueError, KeyError, TypeError):
                continue
    return None


def _run_folders(function: FunctionDirectory, run: Path | None) -> Iterator[Path]:
    """Where the run may be, the most likely first."""
    if run is not None:
        yield run
        return
    folder = function.path.parent.resolve()  # functions/NAME
    yield folder.parent.parent / "run"  # beside it in a workspace: versions/3/function/NAME
    versions = folder.parent.parent / "models" / folder.name / "versions"  # published: WORKSPACE/functions/NAME
    yield from sorted(versions.glob("*/run"), reverse=True)
    trained = str(function.manifest.provenance.get("run") or "")
    if trained and "/" not in trained and trained not in (".", ".."):
        yield Path("runs") / trained
        yield folder.parent.parent / "runs" / trained


def _is_run_of(run: Path, function: FunctionDirectory) -> bool:
    try:
        exported = Manifest.read(run / "export").provenance
    except (ManifestError, OSError):
        return False
    wanted = function.manifest.provenance
    return all(key in wanted and exported.get(key) == wanted[key] for key in _RUN_KEYS)


def _entry(
    server: Server, task: Task, job: int, rank: int, one: Disagreement, *, trained_on: bool
) -> DisagreementEntry:
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
        "outline": one.outline,
        "annotated": [[round(value, 2) for value in box] for box in one.annotated],
        "model": [round(value, 2) for value in one.model] if one.model else None,
        "trained_on": trained_on,
        "text": one.text,
        "link": frame_link(server, task, job, one.frame),
    }
