"""Checkpoints of a run: complete or absent, so that a killed run loses what followed the last one.

`epoch-N/` holds TensorFlow's checkpoint and `state.json`, written under another name and renamed; only then the one
before it is deleted. `best-N.weights.h5` holds the averaged weights with the best validation mAP.
"""

import json
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TypedDict

import tensorflow as tf

from preannotate.core.files import replacing_directory, sync
from trainer.errors import TrainingError
from trainer.metrics import MetricsRow
from trainer.models.network import Network
from trainer.network_trainer import NetworkTrainer
from trainer.run_directory import RunDirectory


class BestEpoch(TypedDict):
    """The validation whose weights are kept.

    `record` is the highest mAP (`decisive_ap`) so far, which may be an earlier epoch's: see
    `training_loop.standard_error`.
    """

    epoch: int
    progress: float
    record: float


class SelfTraining(TypedDict):
    """State of self-training.

    `first_step` is the number of steps before it, and `plain` the epoch whose weights were kept of them; `limits` are
    the scores of each class from which a detection counts as an object. `boxes` has, for each image without
    annotations, how many it was last given; None before it was trained on.
    """

    first_step: int
    plain: int
    limits: list[float]
    boxes: list[int | None]


@dataclass
class TrainingState:
    """State of a run beside its weights and optimizers.

    Attributes:
        epoch, step: How many are done.
        progress: Part of the training done, in [0, 1].
        spent: Seconds of training so far.
        history: A row for each epoch, as in `metrics.csv`.
        best: None before the first validation.
        sound: Progress at the newest validation that was not surely worse than the best; see
            `training_loop.SURE_ERRORS`.
        least_part: Part of the training that a step is at least, once it closes early; see `Schedule.step_part`.
        self_training: None before it begins.
        stopped_early: Whether the closing phase began early, because scores fell.
    """

    epoch: int = 0
    step: int = 0
    progress: float = 0.0
    spent: float = 0.0
    history: list[MetricsRow] = field(default_factory=list)
    best: BestEpoch | None = None
    sound: float = 0.0
    least_part: float = 0.0
    stopped_early: bool = False
    self_training: SelfTraining | None = None

    def row(self, epoch: int) -> MetricsRow:
        """Return the row of an epoch that is done."""
        return next(row for row in self.history if row["epoch"] == epoch)

    @property
    def finished(self) -> bool:
        """Whether there is nothing left to train."""
        return self.progress >= 1 - 1e-9


def save(run: RunDirectory, network_trainer: NetworkTrainer, state: TrainingState) -> None:
    """Write the state of a run and delete the one before, which stays if the disk is full or cannot be written."""
    target = run.checkpoints / f"epoch-{state.epoch:05d}"
    try:
        with replacing_directory(target) as temporary:
            network_trainer.checkpoint.write(str(temporary / "weights"))
            (temporary / "state.json").write_text(json.dumps(asdict(state)), encoding="utf-8")
    except (OSError, tf.errors.OpError) as error:
        reason = str(error).strip().splitlines()[0]
        raise TrainingError(
            f"{target}: {reason}; expected room for a checkpoint. "
            f"Make room and continue with --resume {run.path}: the checkpoint before is safe."
        ) from error
    for path in run.checkpoints.glob("epoch-*"):
        if path != target:
            shutil.rmtree(path, ignore_errors=True)


def newest(run: RunDirectory) -> str | None:
    """Return the name of the newest state; None before the first."""
    return max((path.name for path in run.checkpoints.glob("epoch-*")), default=None)


def restore(run: RunDirectory, network_trainer: NetworkTrainer, name: str | None) -> TrainingState:
    """Load a state, named by `newest`, into a network trainer of the same model; None starts from the beginning."""
    if name is None:
        return TrainingState()
    newest = run.checkpoints / name
    try:
        network_trainer.checkpoint.read(str(newest / "weights")).assert_existing_objects_matched()
        content = json.loads((newest / "state.json").read_text(encoding="utf-8"))
        # A state of before `sound` does not say when scores were last good: until now, then.
        state = TrainingState(**{"sound": content["progress"], **content})
    except (OSError, ValueError, TypeError, KeyError, AssertionError, tf.errors.OpError) as error:
        reason = str(error).strip().splitlines()[0]
        raise TrainingError(f"{newest}: {reason}; expected a checkpoint of this version. Start a new run.") from error
    network_trainer.step = state.step
    return state


def load_best(run: RunDirectory, network: Network, state: TrainingState) -> None:
    """Load the weights of the best validation into a network; a finished training has one."""
    if state.best is None:
        raise ValueError(f"{run.path}: was never validated")
    network.keras_model.load_weights(_best_weights(run, state.best["epoch"]))


def save_best(run: RunDirectory, network: Network, epoch: int) -> None:
    """Write the averaged weights; `delete_other_best` deletes the ones before once the state names the new ones."""
    path = _best_weights(run, epoch)
    temporary = run.checkpoints / "new.weights.h5"
    try:
        network.keras_model.save_weights(temporary)
        sync(temporary)
        temporary.replace(path)
        sync(run.checkpoints)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise TrainingError(
            f"{path}: {error.strerror or error}; expected room for the best weights. "
            f"Make room and continue with --resume {run.path}: the checkpoint before is safe."
        ) from error


def delete_other_best(run: RunDirectory, state: TrainingState) -> None:
    """Delete best weights that the state does not need any more."""
    epochs = [state.best["epoch"]] if state.best else []
    if state.self_training and not state.finished:
        epochs.append(state.self_training["plain"])
    needed = [_best_weights(run, epoch) for epoch in epochs]
    for path in run.checkpoints.glob("best-*.weights.h5"):
        if path not in needed:
            path.unlink()


def _best_weights(run: RunDirectory, epoch: int) -> Path:
    return run.checkpoints / f"best-{epoch:05d}.weights.h5"
