"""The recipe of a run: prepare, train, finish."""

import contextlib
import functools
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tensorflow as tf

from trainer import checkpoints, config, devices
from trainer.checkpoints import State
from trainer.learner import Learner
from trainer.loop import Loop
from trainer.outcome import finish
from trainer.preparation import Prepared, Request, prepare, reopen
from trainer.run_directory import RunDirectory
from trainer.team import Team
from trainer.validation import Validator

__all__ = ["Request", "resume", "start"]


def start(request: Request) -> dict[str, Any]:
    """Train from annotations, with the workers that the environment speaks of.

    Returns:
        The content of `summary.json`.

    Raises:
        TrainerError: One sentence that says what to mend.
    """
    team = Team.gather(request.wanted)
    run = RunDirectory(request.output)
    if team.size > 1:
        with team.watched(run.path):
            team.from_chief(functools.partial(_begin, request, run, team))
        return _reopened(run, team)
    with team.strategy.scope():
        prepared = _prepared(request, run, team)
    with _log_file(run):
        return _train(run, prepared, team)


def resume(path: Path) -> dict[str, Any]:
    """Continue an interrupted run with exactly the state of an uninterrupted one.

    Returns:
        The content of `summary.json`.

    Raises:
        TrainerError: One sentence that says what to mend.
    """
    run = RunDirectory.open(path)
    settings, _ = config.read(run.config)
    return _reopened(run, Team.gather(settings))


def _prepared(request: Request, run: RunDirectory, team: Team) -> Prepared:
    RunDirectory.create(run.path)
    with _log_file(run):
        try:
            prepared = prepare(request, run)
            devices.check_batch(prepared.settings, team.strategy.num_replicas_in_sync)
            return prepared
        except BaseException:
            # Nothing was trained yet: a second try with the same --output must not find a leftover.
            shutil.rmtree(run.path, ignore_errors=True)
            raise


def _begin(request: Request, run: RunDirectory, team: Team) -> None:
    """On the chief: everything up to the first step as one process alone would do it, written for all workers."""
    prepared = _prepared(request, run, team)
    checkpoints.save(run, _learner(prepared, tf.distribute.get_strategy()), State())


def _reopened(run: RunDirectory, team: Team) -> dict[str, Any]:
    with _log_file(run) if team.is_chief else contextlib.nullcontext(), team.watched(run.path):
        with team.strategy.scope():
            prepared = reopen(run)
        devices.check_batch(prepared.settings, team.strategy.num_replicas_in_sync)
        return _train(run, prepared, team)


def _train(run: RunDirectory, prepared: Prepared, team: Team) -> dict[str, Any]:
    settings, resolved, split, averaged = prepared.settings, prepared.resolved, prepared.split, prepared.averaged
    learner = _learner(prepared, team.strategy)
    validator = Validator(split.validation, resolved["labels"], averaged, resolved["model"]) if team.is_chief else None
    loop = Loop(run, settings, learner, split.train, validator, team, pretrained=resolved["pretrained"])
    state = loop.run()
    return team.from_chief(functools.partial(_finished, run, prepared, validator, state))


def _finished(run: RunDirectory, prepared: Prepared, validator: Validator, state: State) -> dict[str, Any]:
    prepared.averaged.keras_model.load_weights(checkpoints.best_weights(run, state.best["epoch"]))
    return finish(run, prepared, validator, state)


def _learner(prepared: Prepared, strategy: tf.distribute.Strategy) -> Learner:
    return Learner(
        prepared.network,
        prepared.averaged,
        prepared.settings,
        pretrained=prepared.resolved["pretrained"],
        strategy=strategy,
    )


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
