"""`preannotate review`: what it is asked, and what it says when it is done."""

import json
from pathlib import Path

from builder.function_directory import FunctionDirectory
from preannotate.active_learning.ranking.command import RankingError, check_top, default_output
from preannotate.annotation.annotate_images import check_numbers
from preannotate.annotation.cvat_command import stopped_in_words
from preannotate.cvat.login import Login, check_sdk


def run_review(
    task: int,
    function: Path,
    *,
    output: Path | None,
    completed_jobs: bool,
    issues: bool,
    top: int,
    run: Path | None,
    workers: int | None,
    as_json: bool,
    login: Login,
) -> int:
    """Review, and say what was found; returns the exit code, 1 if an image could not be read.

    Args:
        task: Number.
        function: functions/NAME.
        output: Folder for results and answers; None takes `task-NUMBER`.
        completed_jobs: Compare frames of completed jobs only.
        issues: Also make issues in CVAT.
        top: How many go on the page and become issues.
        run: The function's run; None looks in the usual places.
        workers: Processes; None takes as many as are worth starting.
        as_json: Print `review.json` instead of words.
        login: How to log in to CVAT.
    """
    check_numbers(None, workers)
    check_top(top)
    if run is not None and not (run / "data" / "train.json").is_file():
        raise RankingError(f"{run}: no training run; expected runs/NAME. Name the run of the function.")
    directory = FunctionDirectory.open(function)
    directory.manifest  # noqa: B018 - a damaged one is found before anything is asked
    check_sdk("review")
    from preannotate.active_learning.review import results
    from preannotate.active_learning.review.crops import crop_disagreements
    from preannotate.active_learning.review.issues import add_issues
    from preannotate.active_learning.review.page import render
    from preannotate.active_learning.review.review_task import review_task
    from preannotate.cvat.connection import connect

    output = output or default_output(task)
    server = connect(login)
    with stopped_in_words():
        review = review_task(server, task, directory, output, completed_jobs=completed_jobs, run=run, workers=workers)
        content, shown = review.content, review.disagreements[:top]
        content["notes"] = [*server.notes, *content["notes"]]
        results.write_review(content, render(content, crop_disagreements(server, task, shown)), output)
        if issues:
            made, there = add_issues(server, review.jobs, shown)
            content["issues"] = {"made": made, "there": there}
    if as_json:
        print(json.dumps(content, ensure_ascii=False, indent=1))
    else:
        shown_table = f"{results.table(content)}\n" if content["disagreements"] else ""
        print("\n".join(filter(None, [shown_table, results.summary(content, output)])))
    return int(bool(content["unreadable"]))
