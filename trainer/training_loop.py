"""The training loop: epochs of steps, validation, the best weights kept, checkpoints between epochs.

Where several processes train together, all do the steps. The chief does and decides what follows an epoch (validation,
what to keep, whether to go on), and its state becomes the state of all.
"""

import csv
import functools
import io
import logging
import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tqdm import tqdm

from evaluation.scores import Scores
from preannotate.core.files import replace_text
from preannotate.core.text import format_scores
from trainer import augment, checkpoints
from trainer.checkpoints import BestEpoch, TrainingState
from trainer.config import TrainingConfig, parse_tiles
from trainer.datasets import Sample
from trainer.errors import TrainingError
from trainer.eta import EtaEstimator
from trainer.input_pipeline import Epoch, ImageCache, Images, Shard, batches
from trainer.metrics import MetricsRow
from trainer.network_trainer import NetworkTrainer
from trainer.run_directory import RunDirectory
from trainer.schedule import CLOSING_PART, SELF_TRAINING_PART, Schedule, is_closing
from trainer.validation import ValidationScores, Validator
from trainer.worker_group import WorkerGroup

log = logging.getLogger(__name__)

# Validating after every epoch of thirty images would cost more than training on them, and so would validating on
# thousands: without gradients an image takes about 0.4 times as long, which then is a fifth of the time.
IMAGES_BETWEEN_VALIDATIONS = 400
IMAGES_FOR_EACH_VALIDATED = 2
# A checkpoint of thousands of small arrays takes most of a second, as long as an epoch of thirty images: it is written
# after an epoch only once so many times as long has passed since the one before.
TIMES_BETWEEN_CHECKPOINTS = 20
# Scores are surely worse than the best so far if they are below it by more than so many standard errors. One would be
# too few: the best of several validations is itself a lucky one.
SURE_ERRORS = 2


@dataclass(frozen=True)
class TrainingSetup:
    """What a training loop works with.

    Attributes:
        train: Samples of the training part.
        validator: Of the averaged network, on the validation part.
    """

    run: RunDirectory
    config: TrainingConfig
    network_trainer: NetworkTrainer
    train: Sequence[Sample]
    validator: Validator
    workers: WorkerGroup


class TrainingLoop:
    """One run's training, from a state to its end."""

    _name = "training"
    # Of the initial learning rate.
    _rate = 1.0

    def __init__(self, setup: TrainingSetup, *, pretrained: bool, self_training: bool = False) -> None:
        """Prepare the training; with `self_training` it leaves a part of the time to `trainer.self_training`."""
        self._run = setup.run
        self._config = config = setup.config
        self._network_trainer = setup.network_trainer
        self._train = train = setup.train
        tiles = parse_tiles(config.tiles)
        self._tile_zoom = tiles.zoom if tiles else 1.0
        self._outlines = any(any(sample.masks) for sample in train)
        input_size = setup.network_trainer.network.input_size
        self._images = ImageCache(train, input_size, exact=config.augment == "none", tile_zoom=self._tile_zoom)
        self._validator = setup.validator
        self._workers = setup.workers
        self._frozen_until = config.frozen_part if pretrained else 0.0
        self._max_seconds = None if config.max_minutes is None else config.max_minutes * 60
        self._steps_in_epoch = -(-len(train) // config.batch_size)
        steps = config.steps
        if steps is None and config.epochs is not None:
            steps = config.epochs * self._steps_in_epoch
        own_part = 1 - SELF_TRAINING_PART if self_training else 1.0
        self._schedule = Schedule(steps, None if self._max_seconds is None else self._max_seconds * own_part)
        self._validation_images = len(setup.validator.truth)
        between = max(IMAGES_BETWEEN_VALIDATIONS, IMAGES_FOR_EACH_VALIDATED * self._validation_images)
        self._validate_every = max(round(between / len(train)), 1)
        self._checkpoint_due = -math.inf

    def train(self) -> TrainingState:
        """Train to the end, from the newest checkpoint if there is one.

        Raises:
            TrainingError: A loss is not finite, or the disk is full.
        """
        state = self._restore()
        return state if state.self_training else self._train_from(state)

    def _restore(self) -> TrainingState:
        newest = self._workers.from_chief(functools.partial(checkpoints.newest, self._run))
        return checkpoints.restore(self._run, self._network_trainer, newest)

    def _train_from(self, state: TrainingState) -> TrainingState:
        self._eta = self._new_eta(state)
        clock = time.monotonic() - state.spent
        disable = None if self._workers.is_chief else True
        with (
            self._eta.running(epoch=state.epoch, step=state.step),
            tqdm(total=100, unit="%", desc=self._name, bar_format=_BAR, disable=disable) as bar,
        ):
            bar.update(round(state.progress * 100, 2))
            while not state.finished:
                losses, progress = self._epoch(state, bar)
                conclude = functools.partial(self._conclude, state, losses, progress, clock)
                state = TrainingState(**self._workers.from_chief(conclude))
                bar.set_postfix_str(_postfix(state))
        return state

    def _conclude(
        self, state: TrainingState, losses: dict[str, float], progress: float, clock: float
    ) -> dict[str, Any]:
        """End an epoch on the chief, and return the state of all as JSON."""
        state.epoch += 1
        state.step = self._network_trainer.step
        state.progress = progress if progress < 1 - 1e-9 else 1.0
        state.spent = time.monotonic() - clock
        self._validate(state, losses)
        state.spent = time.monotonic() - clock
        self._record(state)
        return asdict(state)

    def _epoch(self, state: TrainingState, bar: tqdm) -> tuple[dict[str, float], float]:
        """Do the steps of an epoch; return its mean losses and the progress after it."""
        closing = self._is_closing(state)
        augmentation = augment.of_phase(
            self._config.augment,
            closing=closing,
            copy_paste=self._config.copy_paste,
            outlines=self._outlines,
            tile_zoom=self._tile_zoom,
        )
        epoch = Epoch(self._config.seed, state.epoch, self._config.batch_size, augmentation)
        shard = Shard(self._workers.index, self._workers.size)
        dataset = batches(self._epoch_images(state), self._network_trainer.network, epoch, shard)
        if self._schedule.steps is not None:
            dataset = dataset.take(self._schedule.steps - state.step)
        sums: dict[str, float] = {}
        progress, part, planned = state.progress, 0.0, 0
        for number, batch in enumerate(dataset):
            if self._schedule.replans(number, part):
                progress, planned = progress + part * (number - planned), number
                part = self._workers.from_chief(functools.partial(self._step_part, state, progress))
            index = batch.pop("index")
            now = progress + part * (number - planned)
            frozen = now < self._frozen_until
            losses = self._network_trainer.train_step(
                batch, progress=now, backbone_frozen=frozen, closing=closing, rate=self._rate
            )
            if not all(math.isfinite(loss) for loss in losses.values()):
                raise TrainingError(self._not_finite(losses, index.numpy()))
            sums = {name: sums.get(name, 0.0) + loss for name, loss in losses.items()}
            now += part
            steps_left = math.ceil((1 - now) / part - 1e-6) if part else None
            self._eta.step_done(
                epoch=state.epoch, step=self._network_trainer.step, steps_left=steps_left, frozen=frozen
            )
            bar.update(now * 100 - bar.n)
            if self._ends_inside_epoch(now, closing=closing):
                break
        return {name: loss / (number + 1) for name, loss in sums.items()}, now

    def _step_part(self, state: TrainingState, progress: float) -> float:
        return self._schedule.step_part(
            progress=progress,
            step=self._network_trainer.step,
            steps_in_time=self._eta.steps_in_time(),
            least=state.least_part,
        )

    def _is_closing(self, state: TrainingState) -> bool:
        """Whether the next epoch belongs to the closing phase; with a time limit an epoch ends where that begins."""
        if self._max_seconds is not None:
            return is_closing(state.progress)
        return is_closing(state.progress, share=self._step_part(state, state.progress) * self._steps_in_epoch)

    def _ends_inside_epoch(self, progress: float, *, closing: bool) -> bool:
        closes = self._max_seconds is not None and not closing and is_closing(progress)
        return closes or progress >= 1 - 1e-9

    def _epoch_images(self, state: TrainingState) -> Images:
        """Return the images of the next epoch."""
        return self._images

    def _image_name(self, index: int) -> str:
        """Return the name of an image of `_epoch_images`."""
        return self._train[index].name

    def _is_kept(self, scores: Scores, record: float, state: TrainingState) -> bool:
        """Whether to keep the weights of a validation by its decisive scores.

        `record` is the highest mAP so far, this one included.
        """
        return scores.mean_ap >= record - standard_error(record, scores.boxes)

    def _new_eta(self, state: TrainingState) -> EtaEstimator:
        return EtaEstimator(
            steps_in_epoch=self._steps_in_epoch,
            steps=self._schedule.steps,
            spent=state.spent,
            max_seconds=self._schedule.max_seconds,
            # Without gradients an image takes about half as long as in a step.
            validation_steps=self._validation_images / self._config.batch_size / 2,
            file=self._run.progress if self._workers.is_chief else None,
        )

    def _validate(self, state: TrainingState, losses: dict[str, float]) -> None:
        row: MetricsRow = {"epoch": state.epoch, "step": state.step, **losses}
        row.update(map50=None, mean_ap=None, seconds=None)
        if self._network_trainer.network.mask_head is not None:
            row.update(mask_map50=None, mask_mean_ap=None, answer_mean_ap=None)
        if state.finished or state.epoch % self._validate_every == 0:
            found = self._validator.scores()
            row.update(_columns(found))
            scores = found.decisive
            record = max(scores.mean_ap, state.best["record"] if state.best else 0.0)
            if scores.mean_ap >= record - SURE_ERRORS * standard_error(record, scores.boxes):
                state.sound = state.progress
            else:
                self._stop_early(state)
            if state.best is None or self._is_kept(scores, record, state):
                state.best = BestEpoch(epoch=state.epoch, progress=state.progress, record=record)
                checkpoints.save_best(self._run, self._network_trainer.ema_network, state.epoch)
        state.history.append(row)

    def _stop_early(self, state: TrainingState) -> None:
        """Go on to the closing phase, which may still raise scores, if they have been surely worse for long."""
        patience = self._config.early_stopping
        if patience is None or is_closing(state.progress) or state.progress - state.sound <= patience:
            return
        log.info(
            "epoch %d: mAP has been below its best by more than %d standard errors for %.0f %% of the training "
            "(early_stopping): the closing phase begins",
            *(state.epoch, SURE_ERRORS, 100 * (state.progress - state.sound)),
        )
        state.stopped_early = True
        state.least_part = state.progress / state.step
        state.progress = 1 - CLOSING_PART

    def _record(self, state: TrainingState) -> None:
        state.history[-1]["seconds"] = round(state.spent, 1)
        if state.finished or time.monotonic() >= self._checkpoint_due:
            self._save(state)
        text = io.StringIO()
        writer = csv.DictWriter(text, state.history[0])
        writer.writeheader()
        writer.writerows(state.history)
        replace_text(self._run.metrics, text.getvalue())
        log.info(_line(state))

    def _save(self, state: TrainingState) -> None:
        begin = time.monotonic()
        checkpoints.save(self._run, self._network_trainer, state)
        if state.best is not None:
            checkpoints.delete_other_best(self._run, state)
        end = time.monotonic()
        self._checkpoint_due = end + TIMES_BETWEEN_CHECKPOINTS * (end - begin)

    def _not_finite(self, losses: dict[str, float], indices: Sequence[int]) -> str:
        names = ", ".join(map(self._image_name, indices))
        found = ", ".join(f"{name} {loss}" for name, loss in losses.items())
        return (
            f"step {self._network_trainer.step}: {found}; expected finite losses. "
            f"Look at the images of this batch ({names}), or lower initial_learning_rate."
        )


_BAR = "{desc} {percentage:3.0f}%|{bar}| {elapsed}<{remaining}{postfix}"


def standard_error(mean_ap: float, boxes: int) -> float:
    """Return the standard error of a validation mAP: that of a proportion measured on so many boxes.

    The last weights within one standard error of the best mAP are kept, not the best themselves: a few dozen
    boxes cannot tell them apart, and the later ones are averaged over more steps at smaller rates. One-standard-error
    rule: Breiman et al., Classification and Regression Trees, 1984, section 3.4.3.
    """
    return math.sqrt(max(mean_ap * (1 - mean_ap), 0.0) / max(boxes, 1))


def _columns(found: ValidationScores) -> MetricsRow:
    columns: MetricsRow = {"map50": found.boxes.map50, "mean_ap": found.boxes.mean_ap}
    if found.masks is not None:
        columns.update(mask_map50=found.masks.map50, mask_mean_ap=found.masks.mean_ap)
        columns.update(answer_mean_ap=found.decisive.mean_ap)
    return columns


def _scores_text(row: MetricsRow) -> str:
    boxes = format_scores(row["map50"], row["mean_ap"])
    if row.get("mask_map50") is None:
        return boxes
    return f"{boxes}, masks {format_scores(row['mask_map50'], row['mask_mean_ap'])}"


def _postfix(state: TrainingState) -> str:
    loss = sum(_losses(state.history[-1]).values())
    if state.best is None:
        return f" loss {loss:.3f}"
    best = state.row(state.best["epoch"])
    return f" loss {loss:.3f}, {_scores_text(best)}"


def _line(state: TrainingState) -> str:
    row = state.history[-1]
    scores = "" if row["map50"] is None else f", {_scores_text(row)}"
    losses = ", ".join(f"{name.replace('_', ' ')} {loss:.4f}" for name, loss in _losses(row).items())
    return f"epoch {state.epoch} ({state.progress:.0%}): {losses}{scores}, {state.spent:.0f} s"


def _losses(row: MetricsRow) -> dict[str, float]:
    return {name: value for name, value in row.items() if name.endswith("_loss") and value is not None}
