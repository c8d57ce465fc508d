"""Delivering messages by everything that is configured, and `preannotate notify`, which shows and tests that."""

import contextlib
import os
import sys
from collections.abc import Callable
from pathlib import Path

from preannotate.core.errors import FileError, PreannotateError
from preannotate.core.files import read_json
from preannotate.core.text import first_of, format_duration, format_score, format_scores
from preannotate.notifications.message import Message, NotifyError, failure_message, validation_picture
from preannotate.notifications.settings import VARIABLES, NotifySettings

NOT_DELIVERED = 1


def deliver(settings: NotifySettings, message: Message) -> list[str]:
    """Send a message by e-mail and to the webhook, as far as they are configured.

    Returns:
        A sentence for each failed delivery; a dead server is not an exception.
    """
    problems: list[str] = []
    if settings.smtp is not None:
        from preannotate.notifications.mail import compose_mail, send_mail

        try:
            problems += send_mail(settings.smtp, compose_mail(settings.smtp, message))
        except NotifyError as error:
            problems.append(str(error))
    if settings.webhook is not None:
        from preannotate.notifications.webhook import post_message

        try:
            post_message(settings.webhook, message)
        except NotifyError as error:
            problems.append(str(error))
    return problems


def deliver_and_report(settings: NotifySettings, message: Message) -> int:
    """Deliver a message and print to stderr what failed; returns `NOT_DELIVERED` if something did, else 0."""
    problems = deliver(settings, message)
    for problem in problems:
        print(f"not delivered: {problem}", file=sys.stderr)
    if not problems:
        print(f"message sent: {message.title}", file=sys.stderr)
    return NOT_DELIVERED if problems else 0


def describe_recipients(settings: NotifySettings) -> list[str]:
    """Return a line for each way in which messages are sent, without secrets."""
    lines = []
    if (smtp := settings.smtp) is not None:
        login = f"as user {smtp.user}" if smtp.user else "without login"
        lines.append(
            f"e-mail: to {', '.join(smtp.recipients)} from {smtp.sender}, by {smtp.host}:{smtp.port} "
            f"({smtp.security}, {login})"
        )
    if (webhook := settings.webhook) is not None:
        lines.append(f"webhook: {webhook.host}/… ({'signed' if webhook.secret else 'not signed'})")
    return lines


def show_or_test(*, test: bool, picture: Path | None) -> int:
    """Print the settings, or send a test message with a picture; returns the exit code, as `deliver_and_report`.

    Raises:
        NotifyError: Nothing is configured, or a setting is wrong.
    """
    if not test:
        print("Environment variables of --notify:\n")
        width = max(map(len, VARIABLES))
        print("\n".join(f"  {name:{width}}  {meaning}" for name, meaning in VARIABLES.items()), end="\n\n", flush=True)
    settings = NotifySettings.from_environment()
    for line in describe_recipients(settings):
        print(line)
    if not test:
        print("send a test message: preannotate notify --test")
        return 0
    message = Message(
        "Preannotate: a test message",
        "If you can read this, Preannotate can send you a message when a model is ready.",
        facts={"mAP50": "0.930 (an example)", "mAP": "0.610 (an example)"},
        picture=picture,
    )
    return deliver_and_report(settings, message)


def train_and_notify(train: Callable[[], int], folder: Path, *, trials: bool) -> int:
    """Train, then send a message unless the training was interrupted.

    Returns:
        The exit code of `train`, whether or not the message was delivered.

    Raises:
        NotifyError: No recipient is configured; raised before anything is trained.
    """
    settings = NotifySettings.from_environment()
    try:
        code = train()
    except PreannotateError as error:
        _notify(settings, failure_message(folder.name, str(error)))
        raise
    except Exception as error:
        _notify(settings, failure_message(folder.name, f"{type(error).__name__}: {error}"))
        raise
    if code == 0 and trials:
        _notify(settings, trials_message(folder))
    elif code == 0:
        _notify(settings, training_message(folder))
    return code


def trials_message(folder: Path) -> Message:
    """Return the message about finished trials, from the `trials.json` in their folder."""
    try:
        results = read_json(folder / "trials.json")
        best = next(row for row in results["trials"] if row["run"] == results["best"])
        scores = format_scores(best["map50"], best["mean_ap"])
        facts = {
            "mAP50": format_score(best["map50"]),
            "mAP": format_score(best["mean_ap"]),
            "mean mAP50 of all trials": format_score(results["map50"]["mean"]),
            "mean mAP of all trials": format_score(results["mean_ap"]["mean"]),
            "trials": str(len(results["trials"])),
        }
        title, note = f"{folder.name}: the trials are done; the best, {best['run']}, has {scores}", str(results["note"])
    except (FileError, KeyError, TypeError, ValueError, StopIteration):
        text = f"`preannotate train --pick {folder}` names the best."
        return Message(f"{folder.name}: the trials are done", text)
    return Message(title, note, "", facts)


def training_message(run: Path) -> Message:
    """Return the message about a finished training, from the `summary.json` in its RUN directory."""
    try:
        summary = read_json(run / "summary.json")
        scores = summary["validation"]
        facts = {
            "mAP50": format_score(scores["map50"]),
            "mAP": format_score(scores["mean_ap"]),
            "labels": first_of(summary["labels"], 20),
            "epochs": str(summary["epochs"]),
            "time": format_duration(summary["seconds"]),
        }
    except (FileError, KeyError, TypeError, ValueError):
        return Message(f"{run.name}: the training is done", "It left no readable summary.")
    text = f"The training is done. `preannotate build {run}` builds a function from it."
    title = f"{run.name}: trained, {format_scores(scores['map50'], scores['mean_ap'])}"
    return Message(title, text, "", facts, validation_picture(run))


def _notify(settings: NotifySettings, message: Message) -> None:
    """Send a message; of several machines that train together only the chief does."""
    from trainer.cluster import find_cluster
    from trainer.errors import TrainingError

    with contextlib.suppress(TrainingError):  # the training has reported it
        cluster = find_cluster(os.environ)
        if cluster is not None and not cluster.is_chief:
            return
    deliver_and_report(settings, message)
