"""Which tasks, jobs and frames a pull selects, and why it leaves others out.

People train in the middle of a task. So a frame with boxes is selected whatever the state of its job, but a frame
without boxes is a negative example only where its job is completed: elsewhere it is work not done yet.

A picture may occur several times: as frame of two jobs that overlap, as frame of an annotation job and of the
ground-truth job, as honeypot. It is selected once, and never trained on if it is in the validation part.
"""

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from preannotate.cvat.errors import CvatError
from preannotate.cvat.server import Json, Server
from preannotate.cvat.shapes import mark_checked
from preannotate.cvat.tasks import ANNOTATION, GROUND_TRUTH, Job, Task, has_boxes, read_task, why_unusable
from preannotate.formats.cvat_xml import CvatLabel, is_writable
from preannotate.formats.records import TAG, Shape

NOT_COMPLETED = "of a job that is not completed"
NOT_DONE = "without annotations, in a job that is not completed"
UNTOUCHED = "with nothing but shapes that a model drew and nobody changed"
UNTOUCHED_COMPLETED = f"{UNTOUCHED}, in a completed job"
NO_BOXES = "with nothing but shapes that are no boxes"
REPEATED = "that show a picture which is taken already (honeypots, jobs that overlap)"
HELD_OUT = "that a ground-truth job holds for validation"
BROKEN = "whose images are broken"
# Best first: what makes one place of a picture better than another.
_ANNOTATED, _NEGATIVE = 0, 1


@dataclass(frozen=True)
class FrameSelectionRules:
    """What the user chose.

    Attributes:
        completed_jobs: Only frames of completed jobs.
        include_auto: Also frames that only have shapes which a model drew and nobody changed.
        accept_completed: Shapes that a model drew count as checked in completed jobs.
    """

    completed_jobs: bool = False
    include_auto: bool = False
    accept_completed: bool = False


@dataclass(frozen=True)
class SelectedFrame:
    """A frame with its shapes, those included that training leaves out by their source or kind."""

    task: Task
    job: Job
    frame: int
    shapes: tuple[Shape, ...]

    @property
    def negative(self) -> bool:
        """Whether it has no shapes, and so shows that no object is there."""
        return all(shape.kind == TAG for shape in self.shapes)


@dataclass(frozen=True)
class FrameSelection:
    """The selected frames.

    Attributes:
        training: Frames of annotation jobs, by task and frame.
        validation: Frames of ground-truth jobs.
        left_out: Reason to number of frames.
        untouched: Number of shapes on these frames that a model drew and nobody changed.
        unlabelled: Frames that nobody has annotated, for self-training.
    """

    training: tuple[SelectedFrame, ...]
    validation: tuple[SelectedFrame, ...]
    left_out: Mapping[str, int]
    untouched: int
    unlabelled: tuple[SelectedFrame, ...] = ()


def select_frames(
    tasks: Sequence[Task],
    shapes: Mapping[int, Mapping[int, tuple[Shape, ...]]],
    rules: FrameSelectionRules,
    *,
    max_unlabelled: int = 0,
) -> FrameSelection:
    """Select frames of annotation and ground-truth jobs; `shapes` maps numbers of jobs to frames to shapes.

    At most `max_unlabelled` frames that nobody has annotated are selected, the same ones each time.
    """
    left_out: Counter[str] = Counter()
    validation = _once(_good(tasks, shapes, rules, GROUND_TRUTH, left_out), left_out)
    held_out = {_picture(taken) for taken in validation}
    candidates = []
    for taken in _good(tasks, shapes, rules, ANNOTATION, left_out):
        if _picture(taken) in held_out:
            left_out[HELD_OUT] += 1
        else:
            candidates.append(taken)
    training = _once(candidates, left_out)
    untouched = sum(shape.automatic for taken in (*training, *validation) for shape in taken.shapes)
    known = {_picture(taken) for taken in (*training, *validation)}
    unlabelled = _unlabelled(tasks, shapes, known)[:max_unlabelled] if max_unlabelled else ()
    return FrameSelection(training, validation, dict(left_out), untouched, unlabelled)


def used_jobs(task: Task) -> tuple[Job, ...]:
    """Return the jobs to use: a replica is only one of the votes that its annotation job is made of."""
    return tuple(job for job in task.jobs if job.type in (ANNOTATION, GROUND_TRUTH))


def _good(
    tasks: Sequence[Task],
    shapes: Mapping[int, Mapping[int, tuple[Shape, ...]]],
    rules: FrameSelectionRules,
    kind: str,
    left_out: Counter[str],
) -> Iterable[SelectedFrame]:
    for task in tasks:
        for job in task.jobs:
            if job.type != kind:
                continue
            accepted = rules.accept_completed and job.completed
            for frame in job.frames:
                found = shapes[job.id].get(frame, ())
                taken = SelectedFrame(task, job, frame, tuple(map(mark_checked, found)) if accepted else found)
                if reason := _reason_to_leave_out(taken, rules):
                    left_out[reason] += 1
                else:
                    yield taken


def _unlabelled(
    tasks: Sequence[Task], shapes: Mapping[int, Mapping[int, tuple[Shape, ...]]], known: Collection[tuple[int, int]]
) -> tuple[SelectedFrame, ...]:
    """Return frames without anything that people drew, of pictures not in `known`, in an order that mixes them."""
    found: dict[tuple[int, int], SelectedFrame] = {}
    drawn = set(known)
    for task in tasks:
        for job in used_jobs(task):
            for frame in job.frames:
                taken = SelectedFrame(task, job, frame, shapes[job.id].get(frame, ()))
                if all(shape.kind == TAG or shape.automatic for shape in taken.shapes):
                    found.setdefault(_picture(taken), taken)
                else:
                    drawn.add(_picture(taken))
    pictures = sorted(found.keys() - drawn, key=lambda picture: hashlib.sha256(repr(picture).encode()).digest())
    return tuple(found[picture] for picture in pictures)


def _reason_to_leave_out(taken: SelectedFrame, rules: FrameSelectionRules) -> str:
    if rules.completed_jobs and not taken.job.completed:
        return NOT_COMPLETED
    if taken.negative:
        return "" if taken.job.completed else NOT_DONE
    boxed = [shape for shape in taken.shapes if shape.boxed]
    if any(rules.include_auto or not shape.automatic for shape in boxed):
        return ""
    if not boxed:
        return NO_BOXES
    return UNTOUCHED_COMPLETED if taken.job.completed else UNTOUCHED


def _picture(taken: SelectedFrame) -> tuple[int, int]:
    """What is the same for all places of a picture in a task."""
    return taken.task.id, taken.task.real_frames.get(taken.frame, taken.frame)


def _once(candidates: Iterable[SelectedFrame], left_out: Counter[str]) -> tuple[SelectedFrame, ...]:
    """The best place of each picture: with annotations, then in a completed job, then no honeypot, then the first."""
    best: dict[tuple[int, int], SelectedFrame] = {}
    for taken in candidates:
        picture = _picture(taken)
        if picture in best:
            left_out[REPEATED] += 1
        best[picture] = min(best.get(picture, taken), taken, key=_rank)
    order = {task_id: position for position, task_id in enumerate(dict.fromkeys(task for task, _ in best))}
    return tuple(sorted(best.values(), key=lambda taken: (order[taken.task.id], taken.frame)))


def _rank(taken: SelectedFrame) -> tuple[int, bool, bool, int]:
    quality = _NEGATIVE if taken.negative else _ANNOTATED
    return quality, not taken.job.completed, taken.frame in taken.task.real_frames, taken.job.id


_REJECTED = "rejected"


@dataclass(frozen=True)
class PullScope:
    """Numbers of tasks, projects and jobs; together they are one set."""

    tasks: tuple[int, ...] = ()
    projects: tuple[int, ...] = ()
    jobs: tuple[int, ...] = ()


@dataclass(frozen=True)
class PullPlan:
    """The tasks of a scope, as the server has them.

    Attributes:
        tasks: In the order of the scope; each once, with those of its jobs that the scope includes.
        labels: Of all tasks, by name, in the order of the first task that has them.
        notes: Whole sentences about what is left out or odd.
    """

    tasks: tuple[Task, ...]
    labels: tuple[CvatLabel, ...]
    notes: tuple[str, ...]


def plan_pull(server: Server, scope: PullScope) -> PullPlan:
    """Read all but annotations and images; raises CvatError if something does not exist or has no images."""
    notes: list[str] = []
    tasks = tuple(
        read_task(server, content, only_jobs=jobs) for content, jobs in _contents(server, scope, notes).values()
    )
    labels = _labels(tasks, notes)
    notes += [
        f"label {label.name!r} is of the type {label.type}: its shapes are no boxes, so nothing is learnt for it."
        for label in labels
        if not has_boxes(label)
    ]
    votes = [str(job.id) for task in tasks for job in task.jobs if job not in used_jobs(task)]
    if votes:
        notes.append(f"votes for a consensus, left out for the job that holds it: job {', '.join(votes)}.")
    rejected = [str(job.id) for task in tasks for job in used_jobs(task) if job.state == _REJECTED]
    if rejected:
        notes.append(f"rejected in review, used all the same: job {', '.join(rejected)}.")
    return PullPlan(tasks, labels, tuple(notes))


def _contents(server: Server, scope: PullScope, notes: list[str]) -> dict[int, tuple[Json, frozenset[int] | None]]:
    """Number of a task to its JSON and the jobs to use, None for all."""
    found: dict[int, tuple[Json, frozenset[int] | None]] = {}
    for number in scope.tasks:
        content = server.task(number)
        if problem := why_unusable(content):
            raise CvatError(f"task {number}: {problem}; expected images or a video. Name another.")
        found[number] = (content, None)
    for number in scope.projects:
        server.project(number)  # a list of the tasks of no project is empty and no error
        contents = server.tasks_of_project(number)
        if not contents:
            raise CvatError(f"project {number}: no tasks; expected some. Check that this user may see them.")
        for content in contents:
            if problem := why_unusable(content):
                notes.append(f"task {content['id']} of project {number} {problem}: left out.")
            else:
                found.setdefault(content["id"], (content, None))
    for number, task in _tasks_of_jobs(server, scope.jobs):
        content, jobs = found.get(task) or (server.task(task), frozenset())
        if problem := why_unusable(content):
            raise CvatError(f"job {number}: its task {problem}; expected images or a video. Name another.")
        found[task] = (content, None if jobs is None else jobs | {number})
    return found


def _tasks_of_jobs(server: Server, jobs: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Number of each job and of its task."""
    for number in jobs:
        content = server.job(number)
        with server.parsing_response(f"job {number}"):
            kind, task = content.get("type", ANNOTATION), content["task_id"]
        if kind not in (ANNOTATION, GROUND_TRUTH):
            raise CvatError(f"job {number}: is of the type {kind}; expected an annotation or a ground-truth job.")
        yield number, task


def _labels(tasks: Sequence[Task], notes: list[str]) -> tuple[CvatLabel, ...]:
    labels: dict[str, CvatLabel] = {}
    for task in tasks:
        for label in task.labels.values():
            if not is_writable(label.name):
                raise CvatError(
                    f"task {task.id}: label {label.name!r} holds characters that no XML file can hold; "
                    f"expected readable ones. Rename it in CVAT."
                )
            first = labels.setdefault(label.name, label)
            if first.type != label.type:
                notes.append(
                    f"label {label.name!r} is of the type {label.type} in task {task.id} and {first.type} in one "
                    f"before: used as {first.type}."
                )
    return tuple(labels.values())
