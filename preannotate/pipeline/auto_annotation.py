"""The stage `annotate`: frames that nobody annotated get the boxes of the function, and no frame gets them twice.

A job without a single annotation is given to CVAT's own automatic annotation; of a job that is begun only the frames
that have nothing yet are annotated, by `cvat.annotate`, because CVAT would draw over people's boxes. Completed
jobs and ground-truth jobs are left alone. Whatever was stopped leaves jobs that are begun, so the same command goes on.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

from preannotate.annotation.annotate_task import AnnotationOptions, annotate_task
from preannotate.cvat.errors import CvatError
from preannotate.cvat.functions import FINISHED, QUEUED, BatchRequest, Functions, TaskBusyError, label_mapping
from preannotate.cvat.labels import match_labels
from preannotate.cvat.server import Server
from preannotate.cvat.tasks import ANNOTATION, Job, Task, read_task
from preannotate.cvat.unannotated_frames import find_unannotated_frames
from preannotate.cvat.upload import annotated_frames

POLL_SECONDS = 2.0
_BAR = "{desc} {percentage:3.0f}%|{bar}|"
# How long to wait for an automatic annotation that somebody else began in the same task.
BUSY_SECONDS = 600.0
_GO_ON = "The same command goes on with the frames that have nothing yet."


@dataclass
class AutoAnnotationResult:
    """What was done to the tasks.

    Attributes:
        frames: That a function looked at.
        boxes: That were added.
        jobs: That CVAT annotated itself.
        notes: Whole sentences.
    """

    frames: int = 0
    boxes: int = 0
    jobs: int = 0
    notes: list[str] = field(default_factory=list)

    @property
    def words(self) -> str:
        """For people."""
        if not self.frames:
            return "no frame was left without annotations"
        jobs = f"; {self.jobs} whole job{'' if self.jobs == 1 else 's'} by CVAT itself" if self.jobs else ""
        return f"{self.frames} frame{'' if self.frames == 1 else 's'} looked at, {self.boxes} boxes added{jobs}"


@dataclass(frozen=True)
class AutoAnnotator:
    """Fills the tasks of one server with one function.

    Attributes:
        server: CVAT.
        functions: Its functions.
        function: Id under which CVAT lists the function; "" has all frames annotated by this machine.
        directory: functions/NAME, of the same model.
        labels: Of the function.
        detail: Told what is being done.
    """

    server: Server
    functions: Functions
    function: str
    directory: Path
    labels: tuple[str, ...]
    detail: Callable[[str], object]

    def fill(self, number: int, filled: AutoAnnotationResult) -> None:
        """Annotate what is left of a task.

        Args:
            number: Of the task.
            filled: Is added to.

        Raises:
            CvatError: CVAT refuses, or somebody else's automatic annotation does not end.
            InferenceError: The function cannot be run here.
            KeyboardInterrupt: A request of this run is cancelled before.
        """
        self._wait_for_others(number)
        task = read_task(self.server, self.server.task(number))
        given = {job.id for job in self._untouched(task) if self._give(task, job, filled)} if self.function else set()
        left = frozenset(job.id for job in task.jobs if job.id not in given)
        outcome = annotate_task(
            self.server,
            number,
            self.directory / "nuclio",
            AnnotationOptions(jobs=left),
            lambda done, total: self.detail(f"task {number}: {done} of {total} frames by this machine"),
        )
        filled.frames += outcome.frames
        filled.boxes += outcome.boxes
        filled.notes += [note for note in outcome.notes if note not in filled.notes]
        filled.notes += [
            f"frame {frame} of task {number}: not read, {why}" for frame, why in outcome.unreadable.items()
        ]

    def _untouched(self, task: Task) -> Iterator[Job]:
        """Jobs all of whose frames have nothing, in no other job either; looked at just before each is needed."""
        jobs = {job.id: job for job in task.jobs if job.type == ANNOTATION}
        annotated = {job.id: annotated_frames(self.server, task, job) for job in jobs.values()}
        for number, frames in find_unannotated_frames(task, annotated, annotated_too=False).frames.items():
            job = jobs[number]
            if set(frames) == set(job.frames) and not annotated_frames(self.server, task, job):
                yield job

    def _give(self, task: Task, job: Job, filled: AutoAnnotationResult) -> bool:
        """Have CVAT annotate a job; False if it could not, and this machine is to do the rest."""
        labels = self.server.labels_of_task(task.id)
        targets, notes = match_labels(task.id, labels, self.labels, None)
        try:
            request = self.functions.start(self.function, task.id, job.id, label_mapping(labels, list(targets)))
        except TaskBusyError:  # begun since `_wait_for_others`; who knows what it draws
            self._wait_for_others(task.id)
            filled.notes.append(f"job {job.id}: another automatic annotation of task {task.id} came first.")
            return False
        with self._cancelled_if_stopped(request):
            ended = self._follow(request, f"task {task.id}: CVAT annotates job {job.id}")
        if ended is None or ended.status != FINISHED:
            why = "was cancelled" if ended is None else f"ended as {ended.status!r} ({ended.cause or 'no cause given'})"
            filled.notes.append(f"job {job.id}: CVAT's automatic annotation {why}; the rest was done by this machine.")
            return False
        filled.jobs += 1
        filled.frames += len(job.frames)
        filled.boxes += len(self.server.annotations_of_job(job.id)["shapes"])
        filled.notes += [note for note in notes if note not in filled.notes]
        return True

    def _wait_for_others(self, task: int) -> None:
        """Until no automatic annotation works on a task: two at once would draw everything twice.

        Raises:
            CvatError: One does not get on.
        """
        while (request := self._active(task)) is not None:
            where = f"job {request.job}" if request.job else "all jobs"
            what = f"task {task}: waits for an automatic annotation of {where} with {request.function}"
            if self._follow(request, what, patience=BUSY_SECONDS) is request:
                raise CvatError(
                    f"{self.server.url}: an automatic annotation of task {task} with {request.function} has not got "
                    f"on for {BUSY_SECONDS:g} s; expected its end. Look at cvat_worker_annotation, or cancel it in "
                    f"CVAT. {_GO_ON}"
                )

    def _active(self, task: int) -> BatchRequest | None:
        try:
            return self.functions.active(task)
        except CvatError:
            if self.function:
                raise
            return None  # a CVAT without functions has nobody to wait for

    def _follow(self, request: BatchRequest, what: str, *, patience: float | None = None) -> BatchRequest | None:
        """How a request ended; None if somebody cancelled it, `request` itself if it does not get on.

        Args:
            request: Queued or running.
            what: For people.
            patience: Seconds without progress; None waits for ever.
        """
        last, since = request.progress, time.monotonic()
        self.detail(what)
        with tqdm(total=100, bar_format=_BAR, desc=what, file=sys.stderr, disable=None, leave=False) as bar:
            while True:
                now = self.functions.request(request.id)
                if now is None or not now.active:
                    return now
                bar.n = round(now.progress)
                bar.refresh()
                waiting = " (waits in CVAT's queue)" if now.status == QUEUED else f" ({now.progress:.0f} %)"
                self.detail(what + waiting)
                if now.progress != last:
                    last, since = now.progress, time.monotonic()
                if patience is not None and time.monotonic() - since > patience:
                    return request
                time.sleep(POLL_SECONDS)

    @contextmanager
    def _cancelled_if_stopped(self, request: BatchRequest) -> Iterator[None]:
        try:
            yield
        except KeyboardInterrupt:
            self.functions.cancel(request.id)
            raise
