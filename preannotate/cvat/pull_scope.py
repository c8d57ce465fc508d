"""From numbers on the command line to tasks with jobs and labels."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from preannotate.cvat.errors import CvatError
from preannotate.cvat.selection import used_jobs
from preannotate.cvat.server import Json, Server
from preannotate.cvat.tasks import ANNOTATION, GROUND_TRUTH, Task, has_boxes, read_task, why_unusable
from preannotate.formats.cvat_xml import CvatLabel, is_writable

_REJECTED = "rejected"


@dataclass(frozen=True)
class PullScope:
    """Numbers of tasks, projects and jobs; together they are one set."""

    tasks: tuple[int, ...] = ()
    projects: tuple[int, ...] = ()
    jobs: tuple[int, ...] = ()


@dataclass(frozen=True)
class PullPlan:
    """What was asked for, as the server has it.

    Attributes:
        tasks: In the order in which they were asked for; each once, with those of its jobs that were asked for.
        labels: Of all tasks, by name, in the order of the first task that has them.
        notes: Whole sentences about what is left out or odd.
    """

    tasks: tuple[Task, ...]
    labels: tuple[CvatLabel, ...]
    notes: tuple[str, ...]


def plan_pull(server: Server, scope: PullScope) -> PullPlan:
    """Look up everything but annotations and images.

    Raises:
        CvatError: Something is not there, or has no images.
    """
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
        notes.append(f"rejected in review, taken all the same: job {', '.join(rejected)}.")
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
            raise CvatError(f"project {number}: no tasks; expected some. Look whether this user may see them.")
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
                    f"before: taken as {first.type}."
                )
    return tuple(labels.values())
