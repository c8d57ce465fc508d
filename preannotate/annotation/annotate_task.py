"""The recipe of `preannotate annotate --task`: frames that have nothing yet get the boxes of a function.

Batch by batch: while the function works on one, the images of the next come in; then the boxes go to the job. What
is uploaded is annotated, so that a run that was stopped goes on where it stopped, with nothing kept on this machine.
"""

from collections.abc import Callable, Collection, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

from preannotate.core.progress import ProgressBar
from preannotate.cvat.frames import images_in_batches
from preannotate.cvat.labels import TargetLabel, match_labels
from preannotate.cvat.server import Server
from preannotate.cvat.tasks import ANNOTATION, Job, Task, read_usable_task
from preannotate.cvat.unannotated_frames import find_vacancies
from preannotate.cvat.upload import add_boxes, annotated_frames
from preannotate.inference.image_files import ImageFile
from preannotate.inference.pool import FunctionPool, processes_for
from preannotate.inference.results import ImageDetections, UnreadableImage


@dataclass(frozen=True)
class AnnotationOptions:
    """What the user chose.

    Attributes:
        threshold: Least score; None takes the function's own.
        workers: Processes; None takes as many as are worth starting.
        confidence: Name of the number attribute that keeps the score; None keeps none.
        annotated_too: Also add boxes to frames that have annotations.
        jobs: Numbers of the jobs to fill; None fills all.
    """

    threshold: float | None = None
    workers: int | None = None
    confidence: str | None = None
    annotated_too: bool = False
    jobs: Collection[int] | None = None


@dataclass
class TaskAnnotationResult:
    """What was done.

    Attributes:
        frames: Frames that the function has seen.
        boxes: Boxes that were uploaded.
        empty: Frames on which it found nothing.
        passed_over: Reason to number of frames that it was not asked for.
        unreadable: Frame (relative) to the reason why the function could not read its image.
        notes: Whole sentences.
    """

    frames: int = 0
    boxes: int = 0
    empty: int = 0
    passed_over: dict[str, int] = field(default_factory=dict)
    unreadable: dict[int, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def annotate_task(
    server: Server,
    number: int,
    directory: Path,
    choices: AnnotationOptions,
    progress: Callable[[int, int], object] = lambda done, total: None,
) -> TaskAnnotationResult:
    """Annotate a task with a function.

    Args:
        server: Where the task is.
        number: Of the task.
        directory: functions/NAME/nuclio.
        choices: The user's.
        progress: Told after each batch how many frames are done, and of how many.

    Raises:
        CvatError: The server does not answer or refuses, or no label matches; what was uploaded stays.
        InferenceError: The function cannot be loaded, or ended.
    """
    task = read_usable_task(server, number)
    jobs = {job.id: job for job in task.jobs if job.type == ANNOTATION}
    annotated = {job.id: annotated_frames(server, task, job) for job in jobs.values()}
    vacancies = find_vacancies(task, annotated, annotated_too=choices.annotated_too)
    outcome = TaskAnnotationResult(passed_over=dict(vacancies.passed_over))
    if choices.jobs is not None:
        wanted = {job: frames for job, frames in vacancies.frames.items() if job in choices.jobs}
        vacancies = replace(vacancies, frames=wanted)
    total = sum(map(len, vacancies.frames.values()))
    if not total:
        return outcome
    with FunctionPool(directory, choices.workers or processes_for(total)) as pool:
        labels = server.labels_of_task(number)
        with server.parsing_response(f"labels of task {number}"):
            targets, notes = match_labels(number, labels, pool.labels, choices.confidence)
        outcome.notes += notes
        batches = images_in_batches(server, task.id, vacancies.frames, outcome.unreadable)
        with closing(batches), ProgressBar(total, "frame") as bar:
            done = 0
            for job_id, images in batches:
                _annotate_batch(server, task, jobs[job_id], images, pool, targets, choices, outcome)
                done += len(images)
                bar.update(len(images))
                progress(done, total)
    return outcome


def _annotate_batch(
    server: Server,
    task: Task,
    job: Job,
    images: Mapping[int, Path],
    pool: FunctionPool,
    targets: Mapping[str, TargetLabel],
    choices: AnnotationOptions,
    outcome: TaskAnnotationResult,
) -> None:
    given = [ImageFile(path, str(frame)) for frame, path in images.items()]
    found = {}
    for frame, answer in zip(images, pool.map(given, choices.threshold, _as_it_is), strict=True):
        if isinstance(answer, UnreadableImage):
            outcome.unreadable[frame] = answer.error
        else:
            found[frame] = answer.detections
    boxes, left_alone = add_boxes(server, task, job, found, targets, annotated_too=choices.annotated_too)
    outcome.boxes += boxes
    outcome.frames += len(found)
    outcome.empty += sum(not any(one.label in targets for one in detections) for detections in found.values())
    if left_alone:
        reason = "that somebody annotated meanwhile"
        outcome.passed_over[reason] = outcome.passed_over.get(reason, 0) + left_alone


def _as_it_is(_: ImageFile, answer: ImageDetections | UnreadableImage) -> ImageDetections | UnreadableImage:
    return answer
