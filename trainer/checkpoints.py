"""States of a run on disk: complete or absent, never half, so that a killed run loses one epoch at most.

`epoch-N/` holds TensorFlow's checkpoint and `state.json`, written under another name and renamed; the one
before it is deleted only then. `best-N.weights.h5` holds the averaged weights with the best validation mAP.
"""

import json
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path

import tensorflow as tf

from trainer.errors import TrainingError
from trainer.network_trainer import NetworkTrainer
from trainer.run_directory import RunDirectory


@dataclass
class TrainingState:
    """What a run knows beside its weights.

    Attributes:
        epoch: Epochs done.
        step: Steps done.
        progress: Part of the training done, in [0, 1].
        spent: Seconds of training so far.
        history: A row for each epoch, as in `metrics.csv`.
        best: The row of the best validation so far, None before the first.
        stopped_early: Whether patience ran out.

    """

    epoch: int = 0
    step: int = 0
    progress: float = 0.0
    spent: float = 0.0
    history: list[dict[str, float | None]] = field(default_factory=list)
    best: dict[str, float | None] | None = None
    stopped_early: bool = False

    @property
    def finished(self) -> bool:
        """Whether there is nothing left to train."""
        return self.stopped_early or self.progress >= 1 - 1e-9


def save(run: RunDirectory, network_trainer: NetworkTrainer, state: TrainingState) -> None:
    """Write the state of a run and delete the one before.

    Raises:
        TrainingError: The disk is full or cannot be written; the state before stays.

    """
    target = run.checkpoints / f"epoch-{state.epoch:05d}"
    temporary = run.checkpoints / ".new"
    try:
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()
        network_trainer.checkpoint.write(str(temporary / "weights"))
        (temporary / "state.json").write_text(json.dumps(asdict(state)), encoding="utf-8")
        shutil.rmtree(target, ignore_errors=True)
        temporary.rename(target)
    except (OSError, tf.errors.OpError) as error:
        shutil.rmtree(temporary, ignore_errors=True)
        reason = str(error).strip().splitlines()[0]
        raise TrainingError(
            f"{target}: {reason}; expected room for a checkpoint. "
            f"Make room and continue with --resume {run.path}: the epoch before is safe."
        ) from error
    for path in run.checkpoints.glob("epoch-*"):
        if path != target:
            shutil.rmtree(path, ignore_errors=True)


def newest(run: RunDirectory) -> str | None:
    """Name of the newest state; None before the first."""
    return max((path.name for path in run.checkpoints.glob("epoch-*")), default=None)


def restore(run: RunDirectory, network_trainer: NetworkTrainer, name: str | None) -> TrainingState:
    """Put the state of that name back into the trainer; a run that was killed before its first has a new one."""
    if name is None:
        return TrainingState()
    newest = run.checkpoints / name
    try:
        network_trainer.checkpoint.read(str(newest / "weights")).assert_existing_objects_matched()
        state = TrainingState(**json.loads((newest / "state.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, AssertionError, tf.errors.OpError) as error:
        reason = str(error).strip().splitlines()[0]
        raise TrainingError(f"{newest}: {reason}; expected a checkpoint of this version. Start a new run.") from error
    network_trainer.step = state.step
    return state


def best_weights_file(run: RunDirectory, epoch: int) -> Path:
    """Where the averaged weights of the best validation lie."""
    return run.checkpoints / f"best-{epoch:05d}.weights.h5"


def save_best(run: RunDirectory, network_trainer: NetworkTrainer, epoch: int) -> None:
    """Write the averaged weights; `forget_other_best` deletes the ones before once the state names the new ones."""
    temporary = run.checkpoints / "new.weights.h5"
    try:
        network_trainer.ema_network.keras_model.save_weights(temporary)
        temporary.replace(best_weights_file(run, epoch))
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise TrainingError(
            f"{best_weights_file(run, epoch)}: {error.strerror or error}; expected room for the best weights. "
            f"Make room and continue with --resume {run.path}: the epoch before is safe."
        ) from error


def delete_other_best(run: RunDirectory, epoch: int) -> None:
    """Delete best weights of other epochs."""
    for path in run.checkpoints.glob("best-*.weights.h5"):
        if path != best_weights_file(run, epoch):
            path.unlink()
