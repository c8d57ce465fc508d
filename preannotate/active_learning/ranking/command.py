"""`preannotate rank`: what it is asked, and what it says when it is done."""

import json
from pathlib import Path
from typing import Any

from builder.function_directory import FunctionDirectory
from preannotate.annotation.annotate_images import check_numbers
from preannotate.annotation.cvat_command import stopped_in_words
from preannotate.core.errors import PreannotateError
from preannotate.cvat.login import Login, check_sdk

DEFAULT_TOP = 50


class RankingError(PreannotateError, ValueError):
    """What is asked for makes no sense."""


def run_rank(
    task: int,
    function: Path,
    *,
    output: Path | None,
    top: int,
    create_task: str | None,
    workers: int | None,
    as_json: bool,
    login: Login,
) -> int:
    """Rank, and say what was chosen; returns the exit code, 1 if an image could not be read.

    Args:
        task: Number.
        function: functions/NAME.
        output: Folder for results and answers; None takes `task-NUMBER`.
        top: How many frames are wanted.
        create_task: Name of a new task of these frames; None makes none.
        workers: Processes; None takes as many as are worth starting.
        as_json: Print `ranking.json` instead of words.
        login: How to log in to CVAT.
    """
    check_numbers(None, workers)
    check_top(top)
    if create_task is not None and not create_task.strip():
        raise RankingError("--create-task: an empty name; expected one for the new task.")
    directory = FunctionDirectory.open(function)
    directory.manifest  # noqa: B018 - a damaged one is found before anything is asked
    check_sdk("rank")
    from preannotate.active_learning.ranking import results
    from preannotate.active_learning.ranking.new_task import make_task
    from preannotate.active_learning.ranking.rank_task import rank_task
    from preannotate.cvat.connection import connect

    output = output or default_output(task)
    server = connect(login)
    with stopped_in_words():
        read, content = rank_task(server, task, directory, output, top=top, workers=workers)
        content["notes"] = [*server.notes, *content["notes"]]
        results.write_ranking(content, output)
        if create_task is not None:
            number, was_there = make_task(server, read, content, create_task.strip(), output)
            content["created"] = {"task": number, "link": f"{server.url}/tasks/{number}", "was_there": was_there}
            results.write_ranking(content, output)
    if as_json:
        print(json.dumps(content, ensure_ascii=False, indent=1))
    else:
        print("\n".join(filter(None, [_table(content), results.summary(content, output), _created(content)])))
    return int(bool(content["unreadable"]))


def check_top(top: int) -> None:
    """Refuse impossible numbers.

    Raises:
        RankingError: See the words.
    """
    if top < 1:
        raise RankingError(f"--top: {top}; expected a number from 1 on. Choose another.")


def default_output(task: int) -> Path:
    """Where results of a task go: the same for `rank` and `review`, which share what they asked."""
    return Path(f"task-{task}")


def _table(content: dict[str, Any]) -> str:
    from preannotate.active_learning.ranking.results import table

    return f"{table(content)}\n" if content["frames"] else ""


def _created(content: dict[str, Any]) -> str:
    created = content.get("created")
    if created is None:
        return ""
    return f"{'task was made before' if created['was_there'] else 'new task'}: {created['link']}"
