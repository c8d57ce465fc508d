"""The recipe of `preannotate annotate --task`: frames without annotations get what a function finds.

Batch by batch: while the function works on one, the images of the next are downloaded; then its shapes are uploaded to
the job. Uploaded frames are annotated, so a stopped command continues where it was and keeps nothing on this machine.
"""

from collections.abc import Callable, Collection, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

from preannotate.core.progress import ProgressBar
from preannotate.cvat.images import download_in_batches
from preannotate.cvat.server import Server
from preannotate.cvat.tasks import ANNOTATION, Job, Task, read_usable_task
from preannotate.cvat.upload import TargetLabel, add_shapes, annotated_frames, find_unannotated_frames, match_labels
from preannotate.inference.function_process import FunctionPool, processes_for
from preannotate.inference.images import ImageFile, UnreadableImage


@dataclass(frozen=True)
class AnnotationOptions:
    """How to annotate a task.

    Attributes:
        threshold: Minimum score; None uses the function's own.
        workers: Processes; None uses as many as are worth starting.
        confidence_attribute: Name of the number attribute that gets the score; None writes no score.
        annotated_frames: Also add boxes to frames with annotations.
        jobs: IDs of the jobs to annotate; None annotates all.
    """

    threshold: float | None = None
    workers: int | None = None
    confidence_attribute: str | None = None
    annotated_frames: bool = False
    jobs: Collection[int] | None = None


@dataclass
class TaskAnnotationResult:
    """Numbers of frames that the function ran on, of uploaded shapes, and of frames on which nothing was detected.

    `left_out` is reason to number of frames, `unreadable` relative number of a frame to the reason why its image cannot
    be read; `notes` are whole sentences.
    """

    frames: int = 0
    boxes: int = 0
    empty: int = 0
    left_out: dict[str, int] = field(default_factory=dict)
    unreadable: dict[int, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def annotate_task(
    server: Server,
    number: int,
    directory: Path,
    options: AnnotationOptions,
    progress: Callable[[int, int], object] = lambda done, total: None,
) -> TaskAnnotationResult:
    """Annotate task `number` with the function in `directory`, which is functions/NAME/nuclio.

    `progress` is called after each batch with the number of frames done and their total.

    Raises:
        CvatError: CVAT does not respond or rejects boxes, or no label matches; what was uploaded stays.
        InferenceError: The function cannot be loaded, or its process ended.
    """
    task = read_usable_task(server, number)
    jobs = {job.id: job for job in task.jobs if job.type == ANNOTATION}
    annotated = {job.id: annotated_frames(server, task, job) for job in jobs.values()}
    unannotated = find_unannotated_frames(task, annotated, annotated_too=options.annotated_frames)
    result = TaskAnnotationResult(left_out=dict(unannotated.passed_over))
    if options.jobs is not None:
        wanted = {job: frames for job, frames in unannotated.frames.items() if job in options.jobs}
        unannotated = replace(unannotated, frames=wanted)
    total = sum(map(len, unannotated.frames.values()))
    if not total:
        return result
    with FunctionPool(directory, options.workers or processes_for(total)) as pool:
        labels = server.labels_of_task(number)
        with server.parsing_response(f"labels of task {number}"):
            targets, notes = match_labels(number, labels, pool.label_types, options.confidence_attribute)
        result.notes += notes
        batches = download_in_batches(server, task.id, unannotated.frames, result.unreadable)
        with closing(batches), ProgressBar(total, "frame") as bar:
            done = 0
            for job_id, images in batches:
                _annotate_batch(server, task, jobs[job_id], images, pool, targets, options, result)
                done += len(images)
                bar.update(len(images))
                progress(done, total)
    return result


def _annotate_batch(
    server: Server,
    task: Task,
    job: Job,
    images: Mapping[int, Path],
    pool: FunctionPool,
    targets: Mapping[str, TargetLabel],
    options: AnnotationOptions,
    result: TaskAnnotationResult,
) -> None:
    given = [ImageFile(path, str(frame)) for frame, path in images.items()]
    found = {}
    detected = pool.map(given, options.threshold, lambda _, of_image: of_image)
    for frame, of_image in zip(images, detected, strict=True):
        if isinstance(of_image, UnreadableImage):
            result.unreadable[frame] = of_image.error
        else:
            found[frame] = of_image.detections
    boxes, left_alone = add_shapes(server, task, job, found, targets, annotated_too=options.annotated_frames)
    result.boxes += boxes
    result.frames += len(found)
    result.empty += sum(not any(one.label in targets for one in detections) for detections in found.values())
    if left_alone:
        reason = "that somebody annotated meanwhile"
        result.left_out[reason] = result.left_out.get(reason, 0) + left_alone
