"""`preannotate train --notify`: the trainer's own command, and a message when it has ended."""

import argparse
import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TextIO

from preannotate.notifications.command import tell
from preannotate.notifications.errors import NotifyError
from preannotate.notifications.message import Message
from preannotate.notifications.settings import NotifySettings
from preannotate.pipeline.outcomes import DONE, INTERRUPTED, failed, of_training

_ERROR = "error: "


def run(train: Callable[[argparse.Namespace], int], arguments: argparse.Namespace) -> int:
    """Train, then tell; returns the exit code of the training, whether or not the message came through.

    Args:
        train: The command without this.
        arguments: Its own, and `notify`, which it does not see.

    Raises:
        NotifyError: Nobody is to be told, or there is nothing to tell: before anything is trained.
    """
    wanted = arguments.notify
    del arguments.notify  # the trainer hands on what it finds there to processes of its own
    if not wanted:
        return train(arguments)
    if arguments.kubernetes is not None or arguments.pick:
        raise NotifyError(
            "train: --notify with --kubernetes or --pick, which train nothing here; expected a training. Leave it out."
        )
    settings = NotifySettings.from_environment()
    with _heard() as errors:
        try:
            code = train(arguments)
        except Exception as error:
            _tell(settings, failed(_name(arguments), f"{type(error).__name__}: {error}"))
            raise
    if code != INTERRUPTED:  # whoever stopped it knows
        _tell(settings, _message(arguments, code, errors))
    return code


def _message(arguments: argparse.Namespace, code: int, errors: list[str]) -> Message:
    if code != DONE:
        return failed(_name(arguments), errors[-1] if errors else f"The training ended with exit code {code}.")
    folder = arguments.resume or arguments.output
    if arguments.trials is not None and arguments.trial is None:
        text = f"`preannotate train --pick {folder}` names the best."
        return Message(f"{folder.name}: the trials are done", text)
    return of_training(folder)


def _name(arguments: argparse.Namespace) -> str:
    folder: Path | None = arguments.resume or arguments.output
    return folder.name if folder is not None else "train"


def _tell(settings: NotifySettings, message: Message) -> None:
    """Of several machines that train together, the chief tells."""
    from trainer.cluster import find_cluster
    from trainer.errors import TrainerError

    with contextlib.suppress(TrainerError):  # the training has said what is wrong with it
        cluster = find_cluster(os.environ)
        if cluster is not None and not cluster.is_chief:
            return
    tell(settings, message)


class _Heard:
    """A stream that remembers the errors which are written to it; all else is the stream's own."""

    def __init__(self, stream: TextIO) -> None:
        self.heard: list[str] = []
        self._stream = stream
        self._line = ""

    def write(self, text: str) -> int:
        *lines, self._line = (self._line + text).split("\n")
        self.heard += [line.removeprefix(_ERROR) for line in lines if line.startswith(_ERROR)]
        return self._stream.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextlib.contextmanager
def _heard() -> Iterator[list[str]]:
    heard = _Heard(sys.stderr)
    with contextlib.redirect_stderr(heard):
        yield heard.heard
