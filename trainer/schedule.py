"""Progress of a training, and the learning rate as a function of it.

Everything that changes over a run depends on its *progress*, from 0 to 1. Without a time limit every step is an equal
part of it. With one, the part is fitted to the time that is left, so that the schedule ends with the time, whatever
the machine's speed.
"""

import math
from dataclasses import dataclass

WARM_UP = 0.03
FINAL_FACTOR = 0.02
# The last part of a training, the *closing phase*, is for whole images at about their own scale and for exact boxes:
# no mosaic, weak zoom, and losses that a network adds only then. YOLOX, section 2.1, https://arxiv.org/abs/2107.08430,
# closes mosaic for the last 15 of 300 epochs; trainings of minutes need a larger part to have as many steps in it.
CLOSING_PART = 0.25
# Self-training follows a training that is complete in itself, and has this part of all steps and of a time limit.
SELF_TRAINING_PART = 0.4
# A training of fewer minutes has no time to give away.
SELF_TRAINING_MINUTES = 5.0
# With a time limit the length of the rest is estimated anew after so many steps.
PLAN_STEPS = 10


@dataclass(frozen=True)
class Schedule:
    """Length of a training: so many steps, or so many seconds, or both, of which the first ends it (None: no limit)."""

    steps: int | None
    max_seconds: float | None = None

    def step_part(self, *, progress: float, step: int, steps_in_time: int | None, least: float = 0.0) -> float:
        """Return the part of the whole training that the next steps are each, in [0, 1 - progress].

        Args:
            progress: How far the training is.
            step: Steps done so far.
            steps_in_time: How many steps fit into the time that is left; None if that is not known yet, or if there is
                no limit. Without any limit that is known, progress waits: 0.
            least: The part is not smaller.
        """
        left = 1 - progress
        limits = [self.steps - step] if self.steps is not None else []
        limits += [steps_in_time] if steps_in_time is not None else []
        part = left / max(min(limits), 1) if limits else 0.0
        return min(max(part, least), left)

    def replans(self, number: int, part: float) -> bool:
        """Whether to ask `step_part` before a step; `number` counts from 0 in the epoch, `part` is the last answer.

        Without a time limit once an epoch is enough, and the answer is the same after a resume.
        """
        return number == 0 or (self.max_seconds is not None and (number % PLAN_STEPS == 0 or part == 0))


def has_time_for_self_training(max_minutes: float | None) -> bool:
    """Whether a time limit leaves time for self-training; otherwise the training before it has all of it."""
    return max_minutes is None or max_minutes >= SELF_TRAINING_MINUTES


def is_closing(progress: float, share: float = 0.0) -> bool:
    """Whether an epoch that begins at `progress`, and is `share` of the training, belongs to the closing phase.

    It belongs wholly to the phase that its middle lies in.
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
