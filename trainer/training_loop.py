"""The training loop: epochs of steps, validation, the best weights kept, a checkpoint after each epoch.

Where several processes train together, all do the steps. What follows an epoch (how good, what to keep, whether to go
on) is done and decided by the chief, and its state is then the state of all.
"""

import csv
import functools
import io
import logging
import math
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from tqdm import tqdm

from trainer import checkpoints
from trainer.augment import STRENGTHS
from trainer.checkpoints import TrainingState
from trainer.config import TrainingConfig
from trainer.datasets import Sample
from trainer.errors import TrainingError
from trainer.eta import EtaEstimator
from trainer.input_pipeline import Epoch, ImageCache, Shard, batches
from trainer.network_trainer import NetworkTrainer
from trainer.run_directory import RunDirectory, replace_text
from trainer.schedule import Schedule
from trainer.validation import Validator
from trainer.worker_group import WorkerGroup

log = logging.getLogger(__name__)

# Validating after every epoch of thirty images would cost more than training on them.
IMAGES_BETWEEN_VALIDATIONS = 400
# Epochs whose duration tells how long the next one takes.
RECENT = 3


class TrainingLoop:
    """One run's training, from a state to its end."""

    def __init__(
        self,
        run: RunDirectory,
        config: TrainingConfig,
        network_trainer: NetworkTrainer,
        train: Sequence[Sample],
        validator: Validator | None,
        team: WorkerGroup,
        *,
        pretrained: bool,
    ) -> None:
        """With the validator on the chief; the others need none."""
        self._run = run
        self._config = config
        self._network_trainer = network_trainer
        self._train = train
        self._images = ImageCache(train, network_trainer.network.input_size, exact=config.augment == "none")
        self._validator = validator
        self._team = team
        self._frozen_until = config.frozen_part if pretrained else 0.0
        self._plan = Schedule(config.epochs, config.max_minutes * 60 or None)
        self._validate_every = max(round(IMAGES_BETWEEN_VALIDATIONS / len(train)), 1)

    def run(self) -> TrainingState:
        """Train to the end.

        Raises:
            TrainingError: A loss that is no number, or a disk that is full.

        """
        newest = self._team.from_chief(functools.partial(checkpoints.newest, self._run))
        state = checkpoints.restore(self._run, self._network_trainer, newest)
        self._pace = self._new_pace(state)
        self._pace.begin(epoch=state.epoch, step=state.step)
        recent: list[float] = []
        clock = time.monotonic() - state.spent
        disable = None if self._team.is_chief else True
        with tqdm(total=100, unit="%", desc="training", bar_format=_BAR, disable=disable) as bar:
            bar.update(round(state.progress * 100, 2))
            while not state.finished:
                started = time.monotonic()
                share = self._team.from_chief(functools.partial(self._share, state, recent))
                losses = self._epoch(state, share, bar)
                conclude = functools.partial(self._conclude, state, losses, share, clock=clock, started=started)
                state = TrainingState(**self._team.from_chief(conclude))
                recent = [*recent, time.monotonic() - started][-RECENT:]
                bar.set_postfix_str(_postfix(state))
        return state

    def _share(self, state: TrainingState, recent: Sequence[float]) -> float:
        return self._plan.epoch_share(
            epoch=state.epoch,
            progress=state.progress,
            spent=state.spent,
            epoch_seconds=sum(recent) / len(recent) if recent else 0.0,
        )

    def _conclude(
        self, state: TrainingState, losses: dict[str, float], share: float, *, clock: float, started: float
    ) -> dict[str, Any]:
        """On the chief, after the steps of an epoch: the state that all go on with."""
        state.epoch += 1
        state.step = self._network_trainer.step
        state.progress = min(state.progress + share, 1.0)
        state.spent = time.monotonic() - clock
        if self._plan.is_over(spent=state.spent, epoch_seconds=time.monotonic() - started):
            state.progress = 1.0  # what is left of the schedule has no time
        self._validate(state, losses)
        state.spent = time.monotonic() - clock
        self._record(state)
        return asdict(state)

    def _epoch(self, state: TrainingState, share: float, bar: tqdm) -> dict[str, float]:
        epoch = Epoch(self._config.seed, state.epoch, self._config.batch_size, STRENGTHS[self._config.augment])
        part = Shard(self._team.index, self._team.size)
        dataset = batches(self._images, self._network_trainer.network, epoch, part)
        steps = int(dataset.cardinality())
        if self._config.steps:
            steps = min(steps, self._config.steps - state.step)
            dataset = dataset.take(steps)
        sums: dict[str, float] = {}
        for number, batch in enumerate(dataset):
            index = batch.pop("index")
            progress = state.progress + share * number / steps
            frozen = progress < self._frozen_until
            losses = self._network_trainer.train_step(batch, progress=progress, backbone_frozen=frozen)
            if not all(math.isfinite(loss) for loss in losses.values()):
                raise TrainingError(self._not_finite(losses, index.numpy()))
            sums = {name: sums.get(name, 0.0) + loss / steps for name, loss in losses.items()}
            self._pace.step_done(epoch=state.epoch, number=number, frozen=frozen)
            bar.update(share / steps * 100)
        return sums

    def _new_pace(self, state: TrainingState) -> EtaEstimator:
        return EtaEstimator(
            epochs=self._config.epochs,
            steps_in_epoch=-(-len(self._train) // self._config.batch_size),
            steps=self._config.steps,
            spent=state.spent,
            max_seconds=self._config.max_minutes * 60 or None,
            file=self._run.pace if self._team.is_chief else None,
        )

    def _validate(self, state: TrainingState, losses: dict[str, float]) -> None:
        row: dict[str, float | None] = {"epoch": state.epoch, "step": state.step, **losses}
        row.update(map50=None, mean_ap=None, seconds=None)
        if state.finished or state.epoch % self._validate_every == 0:
            scores = self._validator.scores()
            row.update(map50=scores.map50, mean_ap=scores.mean_ap)
            record = max(scores.mean_ap, state.best["record"] if state.best else 0.0)
            if scores.mean_ap >= record - standard_error(record, scores.boxes):
                state.best = {**row, "record": record, "progress": state.progress}
                checkpoints.save_best(self._run, self._network_trainer, state.epoch)
            elif self._config.early_stopping and self._out_of_patience(state):
                state.stopped_early = True
        state.history.append(row)

    def _out_of_patience(self, state: TrainingState) -> bool:
        return state.progress - state.best["progress"] > self._config.early_stopping

    def _record(self, state: TrainingState) -> None:
        state.history[-1]["seconds"] = round(state.spent, 1)
        checkpoints.save(self._run, self._network_trainer, state)
        if state.best is not None:
            checkpoints.delete_other_best(self._run, state.best["epoch"])
        text = io.StringIO()
        writer = csv.DictWriter(text, state.history[0])
        writer.writeheader()
        writer.writerows(state.history)
        replace_text(self._run.metrics, text.getvalue())
        log.info(_line(state))

    def _not_finite(self, losses: dict[str, float], indices: Sequence[int]) -> str:
        names = ", ".join(self._train[index].name for index in indices)
        found = ", ".join(f"{name} {loss}" for name, loss in losses.items())
        return (
            f"step {self._network_trainer.step}: {found}; expected finite losses. "
            f"Look at the images of this batch ({names}), or lower initial_learning_rate."
        )


_BAR = "{desc} {percentage:3.0f}%|{bar}| {elapsed}<{remaining}{postfix}"


def standard_error(mean_ap: float, boxes: int) -> float:
    """How far a validation mAP may lie off by chance: that of a proportion measured on so many boxes.

    The last weights within one standard error of the best mAP are kept, not the best themselves: a few dozen
    boxes cannot tell them apart, and the later ones are averaged over more steps at smaller rates. One-standard-error
    rule: Breiman et al., Classification and Regression Trees, 1984, section 3.4.3.
    """
    return math.sqrt(max(mean_ap * (1 - mean_ap), 0.0) / max(boxes, 1))


def _postfix(state: TrainingState) -> str:
    row = state.history[-1]
    best = f" mAP50 {state.best['map50']:.3f}" if state.best else ""
    return f" loss {sum(_losses(row).values()):.3f}{best}"


def _line(state: TrainingState) -> str:
    row = state.history[-1]
    scores = "" if row["map50"] is None else f", mAP50 {row['map50']:.3f}, mAP {row['mean_ap']:.3f}"
    losses = ", ".join(f"{name.replace('_', ' ')} {loss:.4f}" for name, loss in _losses(row).items())
    return f"epoch {state.epoch} ({state.progress:.0%}): {losses}{scores}, {state.spent:.0f} s"


def _losses(row: dict[str, float | None]) -> dict[str, float]:
    return {name: value for name, value in row.items() if name.endswith("_loss")}
