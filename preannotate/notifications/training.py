"""`preannotate train --notify`: a message when the training has ended."""

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

from preannotate.core.errors import FileError, PreannotateError
from preannotate.core.files import read_json
from preannotate.core.text import first_of, format_duration
from preannotate.notifications.delivery import deliver_and_report
from preannotate.notifications.message import Message, failure_message, validation_picture
from preannotate.notifications.settings import NotifySettings


def train_and_notify(train: Callable[[], int], folder: Path, *, trials: bool) -> int:
    """Train, then send a message unless the training was interrupted.

    Args:
        train: Returns the exit code of the training.
        folder: Of the run, or of all trials.
        trials: Whether it has several.

    Returns:
        The exit code of the training, whether or not the message was delivered.

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
        text = f"`preannotate train --pick {folder}` names the best."
        _notify(settings, Message(f"{folder.name}: the trials are done", text))
    elif code == 0:
        _notify(settings, training_message(folder))
    return code


def training_message(run: Path) -> Message:
    """Return the message about a finished training, from the `summary.json` in its RUN directory."""
    try:
        summary = read_json(run / "summary.json")
        scores = summary["validation"]
        facts = {
            "mAP50": f"{scores['map50']:.2f}",
            "mAP": f"{scores['mean_ap']:.2f}",
            "labels": first_of(summary["labels"], 20),
            "epochs": str(summary["epochs"]),
            "time": format_duration(summary["seconds"]),
        }
    except (FileError, KeyError, TypeError, ValueError):
        return Message(f"{run.name}: the training is done", "It left no readable summary.")
    text = f"The training is done. `preannotate build {run}` builds a function from it."
    return Message(f"{run.name}: trained, mAP50 {facts['mAP50']}", text, "", facts, validation_picture(run))


def _notify(settings: NotifySettings, message: Message) -> None:
    """Send a message; of several machines that train together only the chief does."""
    from trainer.cluster import find_cluster
    from trainer.errors import TrainerError

    with contextlib.suppress(TrainerError):  # the training has reported it
        cluster = find_cluster(os.environ)
        if cluster is not None and not cluster.is_chief:
            return
    deliver_and_report(settings, message)
