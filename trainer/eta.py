"""Estimated time of a training: logged after its first steps and again when the estimate was wrong.

`progress.json` of the run has a stage `train`, in epochs, with the seconds that are left (`core.progress`).

Measured is the time between the ends of two steps: the first step, which compiles, does not count, and waiting for
images does. Steps get slower once the backbone is no longer frozen; earlier measurements are dropped then. The time
between two epochs (validation, checkpoint) is measured separately.
"""

import contextlib
import logging
import math
import statistics
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

from preannotate.core.progress import ProgressWriter
from preannotate.core.text import plural

log = logging.getLogger(__name__)

STAGE = "train"
# Steps measured before the first estimate, and the most recent ones that later estimates are made of.
FIRST_STEPS, RECENT_STEPS = 5, 30
RECENT_EPOCHS = 6
# A new estimate is logged if the last one was off by this part of it, and by more than a minute.
LOG_PART, LOG_SECONDS = 0.3, 60


class EtaEstimator:
    """Estimates of one training, for the log and for `progress.json`."""

    def __init__(
        self,
        *,
        epochs: int,
        steps_in_epoch: int,
        steps: int | None = None,
        spent: float = 0.0,
        max_seconds: float | None = None,
        file: Path | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start the clock, after `spent` seconds of training before a resume.

        The last epoch may have fewer than `steps_in_epoch`. `steps` is the whole training's limit; None is all steps of
        all epochs. `file` is `progress.json`; None writes none.
        """
        self._epochs = epochs
        self._steps_in_epoch = steps_in_epoch
        self._steps = epochs * steps_in_epoch if steps is None else steps
        self._max_seconds = max_seconds
        self._clock = clock
        self._start = clock() - spent
        self._step_seconds: deque[float] = deque(maxlen=RECENT_STEPS)
        self._between_seconds: deque[float] = deque(maxlen=RECENT_EPOCHS)
        self._last: tuple[float, int, bool] | None = None
        self._logged: float | None = None
        self._progress = ProgressWriter(file, [STAGE], clock=clock)

    @contextlib.contextmanager
    def running(self, *, epoch: int, step: int) -> Iterator[None]:
        """Note that training runs inside the block, after so many epochs and steps, and how it ends."""
        with self._progress.running(STAGE):
            self._update(epoch, step, self._clock(), None)
            self._progress.write()
            yield

    def step_done(self, *, epoch: int, number: int, frozen: bool) -> None:
        """Note the end of a step; `epoch` counts from 0, and so does `number`, the step in its epoch."""
        now = self._clock()
        before, self._last = self._last, (now, epoch, frozen)
        done = epoch * self._steps_in_epoch + number + 1
        if before is not None:
            self._measure(before, now, epoch, frozen=frozen)
        remaining = self._remaining(done) if self._is_known() else None
        if remaining is not None:
            self._log_estimate(remaining, now - self._start)
        self._update(epoch, done, now, remaining)

    def _measure(self, before: tuple[float, int, bool], now: float, epoch: int, *, frozen: bool) -> None:
        last, last_epoch, was_frozen = before
        if was_frozen != frozen:
            self._step_seconds.clear()
        elif last_epoch == epoch:
            self._step_seconds.append(now - last)
        else:
            self._between_seconds.append(max(now - last - self._step(), 0.0))

    def _is_known(self) -> bool:
        return len(self._step_seconds) >= FIRST_STEPS or len(self._between_seconds) >= 2

    def _step(self) -> float:
        return statistics.median(self._step_seconds) if self._step_seconds else 0.0

    def _remaining(self, done: int) -> float:
        left = self._steps - done
        between = statistics.mean(self._between_seconds) if self._between_seconds else 0.0
        return left * self._step() + left / self._steps_in_epoch * between

    def _log_estimate(self, remaining: float, spent: float) -> None:
        total = spent + remaining
        if self._logged is not None and abs(total - self._logged) <= max(LOG_PART * self._logged, LOG_SECONDS):
            return
        first, self._logged = self._logged is None, total
        log.info(self._message(total, remaining, first=first, validated=bool(self._between_seconds)))

    def _update(self, epoch: int, done: int, now: float, remaining: float | None) -> None:
        steps = self._steps
        if remaining is not None and self._max_seconds is not None:
            left = min(remaining, max(self._max_seconds - (now - self._start), 0.0))
            if left < remaining:  # the time limit ends it: as many steps as there is time for
                steps, remaining = done + round((steps - done) * left / remaining), left
        epochs = min(self._epochs, max(epoch + 1, math.ceil(steps / self._steps_in_epoch)))
        self._progress.update(
            STAGE,
            detail=f"epoch {epoch + 1} of {epochs}",
            done=round(epochs * done / max(steps, 1), 3),
            total=epochs,
            unit="epoch",
            seconds_left=None if remaining is None else round(max(remaining, 0.0), 1),
        )

    def _message(self, total: float, remaining: float, *, first: bool, validated: bool) -> str:
        plan = f"{plural(self._epochs, 'epoch')} of {plural(self._steps_in_epoch, 'step')}"
        if self._max_seconds is not None and total > self._max_seconds:
            limit = _duration(self._max_seconds)
            return f"training ends after {limit} (max_minutes); {plan} would take {_duration(total)}"
        more = "" if validated else ", and validation"
        if first:
            return f"training will take about {_duration(total)}: {plan}{more}"
        return f"new estimate: training takes {_duration(total)}, {_duration(remaining)} left: {plan}{more}"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{max(round(seconds), 1)} s"
    minutes = seconds / 60
    return f"{minutes:.0f} minutes" if minutes < 100 else f"{minutes / 60:.1f} hours"
