"""`preannotate pull` and `annotate --task`: what they are asked, and what they say when they are done."""

import contextlib
import json
import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from builder.function_directory import FunctionDirectory
from preannotate.annotation.annotate_images import check_numbers
from preannotate.cvat.errors import CvatError
from preannotate.cvat.login import Login, check_sdk

if TYPE_CHECKING:  # they need cvat-sdk, which may be missing
    from preannotate.annotation.annotate_task import TaskAnnotationResult
    from preannotate.cvat.pull import Pulled


def run_pull(
    output: Path,
    *,
    tasks: Sequence[int],
    projects: Sequence[int],
    jobs: Sequence[int],
    completed_jobs: bool,
    include_auto: bool,
    accept_completed: bool,
    as_json: bool,
    login: Login,
) -> int:
    """Pull, and say what was taken; returns the exit code.

    Args:
        output: New folder, or that of an earlier pull.
        tasks: Numbers.
        projects: Numbers.
        jobs: Numbers.
        completed_jobs: Take frames of completed jobs only.
        include_auto: Also take frames that only have shapes which a model drew and nobody changed.
        accept_completed: What a model drew counts as checked where somebody completed the job.
        as_json: Print `source.json` instead of words.
        login: How to log in to CVAT.
    """
    if not (tasks or projects or jobs):
        raise CvatError("pull: nothing named; expected --task, --project or --job with a number.")
    check_sdk("pull")
    from preannotate.cvat.connection import connect
    from preannotate.cvat.pull import pull
    from preannotate.cvat.pull_scope import Asked
    from preannotate.cvat.selection import Rules

    server = connect(login)
    with stopped_in_words():
        pulled = pull(
            server,
            Asked(tuple(tasks), tuple(projects), tuple(jobs)),
            output,
            rules=Rules(completed_jobs, include_auto, accept_completed),
        )
    print(json.dumps(pulled.source, ensure_ascii=False, indent=1) if as_json else words(pulled, output))
    return 0


def run_annotate(
    task: int,
    function: Path,
    *,
    threshold: float | None,
    workers: int | None,
    confidence: str | None,
    annotated_too: bool,
    login: Login,
) -> int:
    """Annotate a task with a function, and say what was done; returns the exit code, 1 if an image could not be read.

    Args:
        task: Number.
        function: functions/NAME.
        threshold: Least score; None takes the function's own.
        workers: Processes; None takes as many as are worth starting.
        confidence: Name of the number attribute that keeps the score; None keeps none.
        annotated_too: Also add boxes to frames that have annotations.
        login: How to log in to CVAT.
    """
    check_numbers(threshold, workers)
    directory = FunctionDirectory.open(function).path
    check_sdk("annotate --task")
    from preannotate.annotation.annotate_task import AnnotationOptions, annotate_task
    from preannotate.cvat.connection import connect

    server = connect(login)
    with stopped_in_words():
        outcome = annotate_task(
            server,
            task,
            directory,
            AnnotationOptions(threshold, workers, confidence, annotated_too),
        )
    print(annotated_words(outcome, server.url, task, server.notes))
    return int(bool(outcome.unreadable))


def annotated_words(outcome: "TaskAnnotationResult", url: str, task: int, notes: Sequence[str]) -> str:
    """What was done to a task; several lines."""
    lines = [
        f"task {task} of {url}: {_count(outcome.frames, 'frame')} annotated with {outcome.boxes} boxes, "
        f"nothing found on {outcome.empty}"
    ]
    lines += [f"passed over: {_count(count, 'frame')} {reason}" for reason, count in outcome.passed_over.items()]
    lines += [f"not read: frame {frame}: {reason}" for frame, reason in outcome.unreadable.items()]
    lines += [f"note: {note}" for note in (*notes, *outcome.notes)]
    return "\n".join(lines)


def words(pulled: "Pulled", output: Path) -> str:
    """What was taken, what not, and what to do next; several lines."""
    source = pulled.source
    completed = sum(job["state"] == "completed" for job in source["jobs"])
    lines = [
        f"{source['server']}, CVAT {source['version']}: {_count(len(source['tasks']), 'task')}, "
        f"{_count(len(source['jobs']), 'job')} ({completed} completed)",
        f"for training: {_frames(source['training'])}",
    ]
    held_out = any(source["validation"].values())
    if held_out:
        lines.append(f"for validation, from ground-truth jobs: {_frames(source['validation'])}")
    lines += [f"left out: {_count(count, 'frame')} {reason}" for reason, count in source["left_out"].items()]
    if source["untouched_shapes"]:
        lines.append(
            f"{_count(source['untouched_shapes'], 'shape')} that a model drew and nobody changed: training leaves "
            f"them out unless --include-auto, or, in completed jobs, --accept-completed"
        )
    lines.append(f"labels: {', '.join(label['name'] for label in source['labels'])}")
    lines += [f"note: {note}" for note in source["notes"]]
    total = sum(source["training"].values()) + sum(source["validation"].values())
    lines.append(f"{_count(pulled.downloaded, 'image')} downloaded, {total - pulled.downloaded} were there")
    lines.append(f"next: {_next(source, output, held_out)}")
    return "\n".join(lines)


def _next(source: dict[str, Any], output: Path, held_out: bool) -> str:
    from preannotate.cvat.source import training_labels

    negatives = source["training"]["negatives"] + source["validation"]["negatives"]
    options = [
        " --negatives" if negatives else "",
        " --include-auto" if source["asked"]["include_auto"] else "",
        f" --validation {output / 'validation'}" if held_out else "",
        f" {shlex.join(labels)}" if (labels := training_labels(source)) else "",
    ]
    return f"preannotate train {output}{''.join(options)}"


def _frames(counts: dict[str, int]) -> str:
    return f"{_count(counts['annotated'], 'frame')} with annotations, {counts['negatives']} that show nothing"


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


@contextlib.contextmanager
def stopped_in_words() -> Iterator[None]:
    """Ctrl-C inside is answered with a sentence, too."""
    try:
        yield
    except KeyboardInterrupt:
        print("stopped; the same command goes on where it stopped", file=sys.stderr)
        raise
