"""`preannotate train --notify`: a message when the training has ended."""

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

from preannotate.core.errors import PreannotateError
from preannotate.notifications.command import tell
from preannotate.notifications.message import Message
from preannotate.notifications.settings import NotifySettings
from preannotate.pipeline.outcomes import DONE, failed, of_training


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
        _notify(settings, failed(folder.name, str(error)))
        raise
    except Exception as error:
        _notify(settings, failed(folder.name, f"{type(error).__name__}: {error}"))
        raise
    if code == DONE and trials:
        text = f"`preannotate train --pick {folder}` names the best."
        _notify(settings, Message(f"{folder.name}: the trials are done", text))
    elif code == DONE:
        _notify(settings, of_training(folder))
    return code


def _notify(settings: NotifySettings, message: Message) -> None:
    """Send a message; of several machines that train together only the chief does."""
    from trainer.cluster import find_cluster
    from trainer.errors import TrainerError

    with contextlib.suppress(TrainerError):  # the training has reported it
        cluster = find_cluster(os.environ)
        if cluster is not None and not cluster.is_chief:
            return
    tell(settings, message)
