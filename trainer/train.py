"""The recipe of a run: prepare, train, finish."""

import contextlib
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tensorflow as tf

from trainer import checkpoints
from trainer.learner import Learner
from trainer.loop import Loop
from trainer.outcome import finish
from trainer.preparation import Prepared, Request, prepare, reopen
from trainer.run_directory import RunDirectory
from trainer.validation import Validator

__all__ = ["Request", "resume", "start"]


def start(request: Request) -> dict[str, Any]:
    """Train from annotations.

    Returns:
        The content of `summary.json`.

    Raises:
        TrainerError: One sentence that says what to mend.
    """
    run = RunDirectory.create(request.output)
    with _log_file(run):
        try:
            prepared = prepare(request, run)
        except BaseException:
            # Nothing was trained yet: a second try with the same --output must not find a leftover.
            shutil.rmtree(run.path, ignore_errors=True)
            raise
        return _train(run, prepared)


def resume(path: Path) -> dict[str, Any]:
    """Continue an interrupted run with exactly the state of an uninterrupted one.

    Returns:
        The content of `summary.json`.

    Raises:
        TrainerError: One sentence that says what to mend.
    """
    run = RunDirectory.open(path)
    with _log_file(run):
        return _train(run, reopen(run))


def _train(run: RunDirectory, prepared: Prepared) -> dict[str, Any]:
    settings, resolved, split, averaged = prepared.settings, prepared.resolved, prepared.split, prepared.averaged
    pretrained = resolved["pretrained"]
    strategy = tf.distribute.get_strategy()
    learner = Learner(prepared.network, averaged, settings, pretrained=pretrained, strategy=strategy)
    validator = Validator(split.validation, resolved["labels"], averaged, resolved["model"])
    state = Loop(run, settings, learner, split.train, validator, pretrained=pretrained).run()
    averaged.keras_model.load_weights(checkpoints.best_weights(run, state.best["epoch"]))
    return finish(run, prepared, validator, state)


@contextlib.contextmanager
def _log_file(run: RunDirectory) -> Iterator[None]:
    """Everything said during the run, also in its folder."""
    handler = logging.FileHandler(run.log, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    root = logging.getLogger("trainer")
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    try:
        yield
    finally:
        root.removeHandler(handler)
        handler.close()
