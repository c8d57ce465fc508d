"""Progress of a training, and the learning rate as a function of it.

Everything that changes over a run depends on its *progress*, from 0 to 1. Without a time limit every epoch is an equal
part of it. With one, the part is fitted to the time that is left, so that the schedule ends with the time, whatever
the machine's speed.
"""

import math
from dataclasses import dataclass, replace

WARM_UP = 0.03
FINAL_FACTOR = 0.02
# The last part of a training, the *closing phase*, is for whole images at about their own scale and for exact boxes:
# no mosaic, weak zoom, and losses that a network adds only then. YOLOX, section 2.1, https://arxiv.org/abs/2107.08430,
# closes mosaic for the last 15 of 300 epochs; trainings of minutes need a larger part to have as many steps in it.
CLOSING_PART = 0.25

# Self-training follows a training that is complete in itself, and has this part of all epochs and of a time limit.
SELF_TRAINING_PART = 0.4


@dataclass(frozen=True)
class Schedule:
    """Length of a training: at most so many passes over the images, and at most so many seconds (None: no limit)."""

    epochs: int
    max_seconds: float | None = None

    def epoch_share(self, *, epoch: int, progress: float, spent: float, epoch_seconds: float | None) -> float:
        """Return the part of the whole training that the next epoch is, in (0, 1 - progress].

        Before it, `epoch` epochs took `spent` seconds, an interrupted part of the run included. `epoch_seconds` is what
        one takes now, with its validation; None if not known yet.
        """
        left = 1 - progress
        epochs_left = max(self.epochs - epoch, 1)
        if self.max_seconds is not None and epoch_seconds:
            fitting = int((self.max_seconds - spent) / epoch_seconds)
            epochs_left = max(min(epochs_left, fitting), 1)
        return left / epochs_left

    def before_self_training(self) -> "Schedule":
        """Return the schedule of the training that self-training follows."""
        limit = self.max_seconds
        return self if limit is None else replace(self, max_seconds=limit * (1 - SELF_TRAINING_PART))

    def is_over(self, *, spent: float, epoch_seconds: float) -> bool:
        """Whether another epoch of `epoch_seconds` would end after the time, `spent` seconds being gone."""
        return self.max_seconds is not None and spent + epoch_seconds > self.max_seconds


def self_training_epochs(epochs: int) -> int:
    """Return the length of self-training after a training of so many epochs."""
    return max(round(epochs * SELF_TRAINING_PART / (1 - SELF_TRAINING_PART)), 1)


def is_closing(progress: float, share: float) -> bool:
    """Whether an epoch belongs to the closing phase: it begins at `progress` and is `share` of the training.

    An epoch belongs wholly to the phase that its middle lies in.
    """
    return progress + share / 2 > 1 - CLOSING_PART - 1e-9  # sums of shares are rounded


def learning_rate(progress: float, peak: float) -> float:
    """Return the rate: a linear warm-up to `peak`, then half a cosine down to a fiftieth of it.

    Reference: SGDR, https://arxiv.org/abs/1608.03983, without restarts.
    """
    if progress < WARM_UP:
        return peak * max(progress / WARM_UP, 0.01)
    part = min((progress - WARM_UP) / (1 - WARM_UP), 1.0)
    return peak * (FINAL_FACTOR + (1 - FINAL_FACTOR) * (1 + math.cos(math.pi * part)) / 2)


def ema_decay(step: int) -> float:
    """Return the decay of the moving average at a step: the average covers about the last tenth of all steps so far."""
    return min(0.9998, (1 + step) / (10 + step))
