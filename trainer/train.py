"""A training from start to end: prepare, train, finalize."""

import contextlib
import functools
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tensorflow as tf

from preannotate.core.drafts import clear_abandoned
from preannotate.core.files import read_json
from preannotate.core.terminal import SafeFormatter
from preannotate.core.text import plural
from trainer import batch_statistics, checkpoints, devices
from trainer.checkpoints import TrainingState
from trainer.config import RunConfig, parse_tiles
from trainer.datasets import Sample
from trainer.finalization import finalize_run
from trainer.input_pipeline import serving_inputs
from trainer.metrics import decisive_ap
from trainer.network_trainer import NetworkTrainer
from trainer.preparation import Prepared, prepare, reopen
from trainer.request import TrainingRequest
from trainer.run_directory import RunDirectory, RunState, Summary
from trainer.schedule import SELF_TRAINING_MINUTES, has_time_for_self_training
from trainer.self_training import SelfTrainingLoop
from trainer.training_loop import TrainingLoop, TrainingSetup, standard_error
from trainer.validation import Validator
from trainer.worker_group import WorkerGroup

log = logging.getLogger(__name__)


def start(request: TrainingRequest) -> Summary:
    """Train from annotations, together with the workers that the environment names.

    Returns:
        The content of `summary.json`, with `run` as a path that the caller can use.

    Raises:
        TrainingError: What the user has to fix, in one sentence.
    """
    if request.output is None:
        raise ValueError("a run needs a folder")
    run = RunDirectory(request.output)
    if request.continue_run and run.state == RunState.FINISHED:
        return _summary(run)  # a worker that was restarted too late would wait for the others for ever
    workers = WorkerGroup.join(request.config)
    if workers.size == 1:
        return _start_alone(request, run, workers)
    with workers.watched(run.path):
        workers.from_chief(functools.partial(_begin, request, run, workers))
    return _reopened(run, workers)


def resume(path: Path) -> Summary:
    """Continue an interrupted run in exactly the state of an uninterrupted one; returns and raises as `start` does."""
    run = RunDirectory.open(path)
    return _reopened(run, WorkerGroup.join(RunConfig.read(run.config).arguments))


def _start_alone(request: TrainingRequest, run: RunDirectory, workers: WorkerGroup) -> Summary:
    if _can_continue(request, run):
        return _reopened(run, workers)
    with workers.strategy.scope():
        prepared = _prepared(request, run, workers)
    with _log_file(run):
        return _train(run, prepared, workers)


def _begin(request: TrainingRequest, run: RunDirectory, workers: WorkerGroup) -> None:
    """Prepare on the chief as a process alone would, and write the state before the first step for all."""
    if not _can_continue(request, run):
        prepared = _prepared(request, run, workers)
        checkpoints.save(run, _network_trainer(prepared, tf.distribute.get_strategy()), TrainingState())


def _can_continue(request: TrainingRequest, run: RunDirectory) -> bool:
    """Whether to continue, as requested; files from before a first step are deleted."""
    if not request.continue_run:
        return False
    if run.state == RunState.BEGUN:
        shutil.rmtree(run.path)
    return run.state == RunState.INTERRUPTED


def _prepared(request: TrainingRequest, run: RunDirectory, workers: WorkerGroup) -> Prepared:
    RunDirectory.create(run.path)
    with _log_file(run):
        try:
            replicas = workers.strategy.num_replicas_in_sync
            prepared = prepare(request, run, replicas=replicas)
            devices.check_batch(prepared.config.arguments, replicas)
            return prepared
        except BaseException:
            # Nothing was trained yet: a second try with the same --output must not find a leftover.
            shutil.rmtree(run.path, ignore_errors=True)
            raise


def _reopened(run: RunDirectory, workers: WorkerGroup) -> Summary:
    with _log_file(run) if workers.is_chief else contextlib.nullcontext(), workers.watched(run.path):
        if workers.is_chief:
            clear_abandoned(run.path)
        with workers.strategy.scope():
            prepared = reopen(run)
        devices.check_batch(prepared.config.arguments, workers.strategy.num_replicas_in_sync)
        return _train(run, prepared, workers)


def _train(run: RunDirectory, prepared: Prepared, workers: WorkerGroup) -> Summary:
    config, split = prepared.config, prepared.split
    validator = Validator(
        split.validation, config.labels, prepared.ema_network, config.model, label_types=config.label_types
    )
    network_trainer = _network_trainer(prepared, workers.strategy)
    setup = TrainingSetup(run, config.arguments, network_trainer, split.train, validator, workers)
    unlabelled = _unlabelled(prepared)
    state = TrainingLoop(setup, pretrained=config.pretrained, self_training=bool(unlabelled)).train()
    if unlabelled:
        state = SelfTrainingLoop(setup, unlabelled=unlabelled).train()
    return workers.from_chief(functools.partial(_finalized, run, prepared, validator, state))


def _unlabelled(prepared: Prepared) -> tuple[Sample, ...]:
    """Return the images for self-training; none, and say so, if the time limit leaves no time for it."""
    max_minutes = prepared.config.arguments.max_minutes
    if not prepared.unlabelled or has_time_for_self_training(max_minutes):
        return prepared.unlabelled
    log.info(
        "no self-training: max_minutes=%g leaves no time for it; expected at least %g",
        max_minutes,
        SELF_TRAINING_MINUTES,
    )
    return ()


def _finalized(run: RunDirectory, prepared: Prepared, validator: Validator, state: TrainingState) -> Summary:
    checkpoints.load_best(run, prepared.ema_network, state)
    if prepared.config.pretrained and not prepared.config.arguments.freeze_statistics:
        _renew_statistics(run, prepared, validator, state)
    finalize_run(run, prepared, validator, state)
    return _summary(run)


def _renew_statistics(run: RunDirectory, prepared: Prepared, validator: Validator, state: TrainingState) -> None:
    """Measure the statistics of batch normalisation again, and keep them if they surely score higher in validation.

    Those of the training lag behind, most after few steps; where images differ much from each other, as scans do, their
    long average is better. A handful of boxes cannot tell. What is kept replaces the best weights of the run, so that
    a training with the run as its base model starts from what is exported here.
    """
    network = prepared.ema_network
    assert state.best is not None
    epoch = state.best["epoch"]
    before = decisive_ap(state.row(epoch))
    assert before is not None
    kept = network.keras_model.get_weights()
    samples = prepared.split.train[: batch_statistics.IMAGES]
    tiles = parse_tiles(prepared.config.arguments.tiles)
    batch_statistics.renew(network, np.stack([*serving_inputs(samples, network.input_size, tiles)]))
    scores = validator.scores().decisive
    after = scores.mean_ap
    if after - before > standard_error(before, scores.boxes):
        log.info(
            "statistics of batch normalisation were measured again on %s: validation mAP %.3f in place of %.3f",
            plural(len(samples), "training image"),
            after,
            before,
        )
        # Once more in a run that is killed after this: the same statistics, compared with the same score.
        checkpoints.save_best(run, network, epoch)
    else:
        network.keras_model.set_weights(kept)


def _summary(run: RunDirectory) -> Summary:
    summary: Summary = read_json(run.summary)
    return {**summary, "run": str(run.path)}


def _network_trainer(prepared: Prepared, strategy: tf.distribute.Strategy) -> NetworkTrainer:
    return NetworkTrainer(
        prepared.network,
        prepared.ema_network,
        prepared.config.arguments,
        pretrained=prepared.config.pretrained,
        strategy=strategy,
    )


@contextlib.contextmanager
def _log_file(run: RunDirectory) -> Iterator[None]:
    handler = logging.FileHandler(run.log, encoding="utf-8")
    handler.setFormatter(SafeFormatter("%(asctime)s %(levelname)s %(message)s"))
    root = logging.getLogger("trainer")
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    try:
        yield
    finally:
        root.setLevel(level)
        root.removeHandler(handler)
        handler.close()
