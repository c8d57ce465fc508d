"""The stage `annotate`: frames without annotations get what the function finds, and no frame gets it twice.

A job without a single annotation is given to CVAT's own automatic annotation; in a job that is begun, this machine
annotates only the frames without annotations, because CVAT would draw over people's boxes. Completed jobs and
ground-truth jobs are left alone. An interruption leaves jobs that are begun, so the same command continues.
"""

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

from preannotate.annotation.annotate_task import AnnotationOptions, annotate_task
from preannotate.core.text import plural
from preannotate.cvat.errors import CvatError
from preannotate.cvat.functions import BatchRequest, Functions, RequestStatus, TaskBusyError, label_mapping
from preannotate.cvat.server import Server
from preannotate.cvat.tasks import ANNOTATION, Job, Task, read_task
from preannotate.cvat.upload import annotated_frames, find_unannotated_frames, match_labels
from runtime.manifest import MASK, POLYGON

POLL_SECONDS = 2.0
_BAR = "{desc} {percentage:3.0f}%|{bar}|"
# How long to wait for an automatic annotation that somebody else began in the same task.
BUSY_SECONDS = 600.0
_CONTINUE = "The same command continues with the frames without annotations."


@dataclass
class AutoAnnotationResult:
    """What was done to the tasks; added to while they are annotated. `jobs` is how many CVAT annotated itself."""

    frames: int = 0
    boxes: int = 0
    jobs: int = 0
    notes: list[str] = field(default_factory=list)

    @property
    def summary(self) -> str:
        """One line for people."""
        if not self.frames:
            return "no frame without annotations"
        jobs = f"; {plural(self.jobs, 'whole job')} by CVAT itself" if self.jobs else ""
        return f"{plural(self.frames, 'frame')} processed, {plural(self.boxes, 'object')} added{jobs}"


@dataclass(frozen=True)
class AutoAnnotator:
    """Annotates the rest of tasks of one server with one function.

    Attributes:
        function: Id under which CVAT lists the function; None lets this machine annotate all frames.
        directory: functions/NAME, of the same model.
        labels: Name to type of those of the function.
        detail: Gets a line about what is going on.
    """

    server: Server
    functions: Functions
    function: str | None
    directory: Path
    labels: Mapping[str, str]
    detail: Callable[[str], object]

    def annotate_rest(self, number: int, result: AutoAnnotationResult) -> None:
        """Annotate the frames of a task that have no annotations; `result` is added to.

        Raises:
            CvatError: CVAT refuses, or somebody else's automatic annotation does not end.
            InferenceError: The function cannot be run here.
            KeyboardInterrupt: A request of this run is cancelled before.
        """
        self._wait_for_others(number)
        task = read_task(self.server, self.server.task(number))
        by_cvat: set[int] = set()
        if self.function is not None:
            by_cvat = {
                job.id for job in self._untouched(task) if self._annotated_by_cvat(self.function, task, job, result)
            }
        rest = frozenset(job.id for job in task.jobs if job.id not in by_cvat)
        outcome = annotate_task(
            self.server,
            number,
            self.directory / "nuclio",
            AnnotationOptions(jobs=rest),
            lambda done, total: self.detail(f"task {number}: {done} of {total} frames by this machine"),
        )
        result.frames += outcome.frames
        result.boxes += outcome.boxes
        result.notes += [note for note in outcome.notes if note not in result.notes]
        result.notes += [
            f"frame {frame} of task {number}: not read, {why}" for frame, why in outcome.unreadable.items()
        ]

    def _untouched(self, task: Task) -> Iterator[Job]:
        """Yield jobs without annotations on any of their frames, in no other job either; checked just before each."""
        jobs = {job.id: job for job in task.jobs if job.type == ANNOTATION}
        annotated = {job.id: annotated_frames(self.server, task, job) for job in jobs.values()}
        for number, frames in find_unannotated_frames(task, annotated, annotated_too=False).frames.items():
            job = jobs[number]
            if set(frames) == set(job.frames) and not annotated_frames(self.server, task, job):
                yield job

    def _annotated_by_cvat(self, function: str, task: Task, job: Job, result: AutoAnnotationResult) -> bool:
        """Let CVAT annotate a job; return False if it could not, and this machine must do the rest."""
        labels = self.server.labels_of_task(task.id)
        targets, notes = match_labels(task.id, labels, self.labels, None)
        # CVAT converts the masks of all labels or of none.
        wanted = {target.shape for name, target in targets.items() if self.labels[name] == MASK}
        if len(wanted) > 1 or any(target.shape == MASK != self.labels[name] for name, target in targets.items()):
            note = (
                f"task {task.id}: CVAT does not give each of its labels masks or polygons by its type: this machine "
                f"did all of it."
            )
            result.notes += [note] if note not in result.notes else []
            return False
        mapping = label_mapping(labels, list(targets))
        try:
            request = self.functions.start(function, task.id, job.id, mapping, to_polygons=wanted == {POLYGON})
        except TaskBusyError:  # started since `_wait_for_others`; nobody knows what it draws
            self._wait_for_others(task.id)
            result.notes.append(f"job {job.id}: another automatic annotation of task {task.id} was started before.")
            return False
        with self._cancelled_if_stopped(request):
            finished = self._wait_for_request(request, f"task {task.id}: CVAT annotates job {job.id}")
        if finished is None or finished.status != RequestStatus.FINISHED:
            why = "was cancelled"
            if finished is not None:
                why = f"ended as {finished.status!r} ({finished.cause or 'no cause given'})"
            result.notes.append(f"job {job.id}: CVAT's automatic annotation {why}; the rest was done by this machine.")
            return False
        result.jobs += 1
        result.frames += len(job.frames)
        result.boxes += len(self.server.annotations_of_job(job.id)["shapes"])
        result.notes += [note for note in notes if note not in result.notes]
        return True

    def _wait_for_others(self, task: int) -> None:
        """Wait until no automatic annotation works on a task: two at once would draw everything twice."""
        while (request := self._active(task)) is not None:
            where = f"job {request.job}" if request.job else "all jobs"
            what = f"task {task}: waiting for an automatic annotation of {where} with {request.function}"
            if self._wait_for_request(request, what, timeout=BUSY_SECONDS) is request:
                raise CvatError(
                    f"{self.server.url}: an automatic annotation of task {task} with {request.function} has made "
                    f"no progress for {BUSY_SECONDS:g} s; expected it to finish. Check cvat_worker_annotation, or "
                    f"cancel it in CVAT. {_CONTINUE}"
                )

    def _active(self, task: int) -> BatchRequest | None:
        try:
            return self.functions.active(task)
        except CvatError:
            if self.function:
                raise
            return None  # a CVAT without functions has no automatic annotation

    def _wait_for_request(
        self, request: BatchRequest, label: str, *, timeout: float | None = None
    ) -> BatchRequest | None:
        """Return how a request ended; None if it was cancelled, `request` itself if it makes no progress.

        `label` is shown; `timeout` is in seconds without progress, None waits forever.
        """
        last, since = request.progress, time.monotonic()
        self.detail(label)
        with tqdm(total=100, bar_format=_BAR, desc=label, file=sys.stderr, disable=None, leave=False) as bar:
            while True:
                now = self.functions.request(request.id)
                if now is None or not now.active:
                    return now
                bar.n = round(now.progress)
                bar.refresh()
                waiting = (
                    " (waits in CVAT's queue)" if now.status == RequestStatus.QUEUED else f" ({now.progress:.0f} %)"
                )
                self.detail(label + waiting)
                if now.progress != last:
                    last, since = now.progress, time.monotonic()
                if timeout is not None and time.monotonic() - since > timeout:
                    return request
                time.sleep(POLL_SECONDS)

    @contextmanager
    def _cancelled_if_stopped(self, request: BatchRequest) -> Iterator[None]:
        try:
            yield
        except KeyboardInterrupt:
            self.functions.cancel(request.id)
            raise
