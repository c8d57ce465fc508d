"""The recipe of a run: prepare, train, finish."""

import contextlib
import functools
import json
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tensorflow as tf

from trainer import checkpoints, config, devices
from trainer.checkpoints import TrainingState
from trainer.finalization import finalize_run
from trainer.network_trainer import NetworkTrainer
from trainer.preparation import Prepared, Request, prepare, reopen
from trainer.run_directory import RunDirectory
from trainer.training_loop import TrainingLoop
from trainer.validation import Validator
from trainer.worker_group import WorkerGroup

__all__ = ["Request", "resume", "start"]


def start(request: Request) -> dict[str, Any]:
    """Train from annotations, with the workers that the environment speaks of.

    Returns:
        The content of `summary.json`.

    Raises:
        TrainerError: One sentence that says what to mend.
    """
    run = RunDirectory(request.output)
    if request.go_on and run.state == "finished":
        return _summary(run)  # a worker that was restarted too late has nobody to meet
    team = WorkerGroup.gather(request.wanted)
    if team.size == 1:
        return _start_alone(request, run, team)
    with team.watched(run.path):
        team.from_chief(functools.partial(_begin, request, run, team))
    return _reopened(run, team)


def resume(path: Path) -> dict[str, Any]:
    """Continue an interrupted run with exactly the state of an uninterrupted one.

    Returns:
        The content of `summary.json`.

    Raises:
        TrainerError: One sentence that says what to mend.
    """
    run = RunDirectory.open(path)
    settings, _ = config.read(run.config)
    return _reopened(run, WorkerGroup.gather(settings))


def _start_alone(request: Request, run: RunDirectory, team: WorkerGroup) -> dict[str, Any]:
    if _can_go_on(request, run):
        return _reopened(run, team)
    with team.strategy.scope():
        prepared = _prepared(request, run, team)
    with _log_file(run):
        return _train(run, prepared, team)


def _begin(request: Request, run: RunDirectory, team: WorkerGroup) -> None:
    """On the chief: everything up to the first step as one process alone would do it, written for all workers."""
    if not _can_go_on(request, run):
        prepared = _prepared(request, run, team)
        checkpoints.save(run, _network_trainer(prepared, tf.distribute.get_strategy()), TrainingState())


def _can_go_on(request: Request, run: RunDirectory) -> bool:
    """Whether there is a run to go on with, as was asked; what was left before its first step is cleared away."""
    if not request.go_on:
        return False
    if run.state == "begun":
        shutil.rmtree(run.path)
    return run.state == "interrupted"


def _prepared(request: Request, run: RunDirectory, team: WorkerGroup) -> Prepared:
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


def _reopened(run: RunDirectory, team: WorkerGroup) -> dict[str, Any]:
    with _log_file(run) if team.is_chief else contextlib.nullcontext(), team.watched(run.path):
        with team.strategy.scope():
            prepared = reopen(run)
        devices.check_batch(prepared.settings, team.strategy.num_replicas_in_sync)
        return _train(run, prepared, team)


def _train(run: RunDirectory, prepared: Prepared, team: WorkerGroup) -> dict[str, Any]:
    settings, resolved, split, ema_network = prepared.settings, prepared.resolved, prepared.split, prepared.ema_network
    network_trainer = _network_trainer(prepared, team.strategy)
    validator = (
        Validator(split.validation, resolved["labels"], ema_network, resolved["model"]) if team.is_chief else None
    )
    loop = TrainingLoop(run, settings, network_trainer, split.train, validator, team, pretrained=resolved["pretrained"])
    state = loop.run()
    return team.from_chief(functools.partial(_finished, run, prepared, validator, state))


def _finished(run: RunDirectory, prepared: Prepared, validator: Validator, state: TrainingState) -> dict[str, Any]:
    prepared.ema_network.keras_model.load_weights(checkpoints.best_weights_file(run, state.best["epoch"]))
    return finalize_run(run, prepared, validator, state)


def _summary(run: RunDirectory) -> dict[str, Any]:
    return {**json.loads(run.summary.read_text(encoding="utf-8")), "run": str(run.path)}


def _network_trainer(prepared: Prepared, strategy: tf.distribute.Strategy) -> NetworkTrainer:
    return NetworkTrainer(
        prepared.network,
        prepared.ema_network,
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
