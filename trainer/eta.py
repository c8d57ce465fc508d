"""Estimated time of a training: logged after its first steps and again when the estimate was wrong.

`progress.json` of the run has a stage `train`, in epochs, with the seconds that are left (`core.progress`).

Measured is the time between the ends of two steps: the first step, which compiles, does not count, and waiting for
images does. Steps get slower once the backbone is no longer frozen; earlier measurements are dropped then. The time
between two epochs (checkpoint, after some of them validation) is measured separately.
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
# A new estimate is logged if the last one was off by this part of it, and by more than a minute.
LOG_PART, LOG_SECONDS = 0.3, 60


class EtaEstimator:
    """Estimates of one training, for the log and for `progress.json`."""

    def __init__(
        self,
        *,
        steps_in_epoch: int,
        steps: int | None,
        spent: float = 0.0,
        max_seconds: float | None = None,
        validation_steps: float = 0.0,
        file: Path | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start the clock.

        Args:
            steps_in_epoch: An epoch may end before.
            steps: Of the whole training; None if the time alone limits it.
            spent: Seconds of training before a resume.
            max_seconds: Of the whole training; None is no limit.
            validation_steps: As many steps as one validation is thought to take, until it was measured.
            file: `progress.json`; None writes none.
            clock: Seconds.
        """
        self._steps_in_epoch = steps_in_epoch
        self._steps = steps
        self._max_seconds = max_seconds
        self._validation_steps = validation_steps
        self._clock = clock
        self._start = clock() - spent
        self._step_seconds: deque[float] = deque(maxlen=RECENT_STEPS)
        self._between_seconds: list[float] = []
        self._last: tuple[float, int, bool] | None = None
        self._logged: float | None = None
        self._progress = ProgressWriter(file, [STAGE], clock=clock)

    @contextlib.contextmanager
    def running(self, *, epoch: int, step: int) -> Iterator[None]:
        """Note that training runs inside the block, after so many epochs and steps, and how it ends."""
        with self._progress.running(STAGE):
            self._update(epoch, step, self._left_of_limit(step), None)
            self._progress.write()
            yield

    def step_done(self, *, epoch: int, step: int, steps_left: int | None, frozen: bool) -> None:
        """Note the end of a step.

        Args:
            epoch: Counts from 0.
            step: Steps of the whole training so far, with this one.
            steps_left: Until the end of the training; None if that is not known yet.
            frozen: Whether the backbone was.
        """
        now = self._clock()
        before, self._last = self._last, (now, epoch, frozen)
        if before is not None:
            self._measure(before, now, epoch, frozen=frozen)
        seconds_left = None
        if steps_left is not None and self._is_known():
            seconds_left = self._seconds(steps_left)
            if self._max_seconds is not None:
                seconds_left = min(seconds_left, max(self._max_seconds - (now - self._start), 0.0))
            self._log_estimate(step, steps_left, now - self._start, seconds_left)
        self._update(epoch, step, steps_left, seconds_left)

    def steps_in_time(self) -> int | None:
        """Return how many steps fit before the time limit, with a last validation; None if not known, or no limit."""
        if self._max_seconds is None:
            return None
        left = self._max_seconds - (self._clock() - self._start)
        if left <= 0:
            return 0
        if not self._is_known():
            return None
        last = max(self._between_seconds, default=self._validation_steps * self._step())
        return max(int((left - last) / max(self._seconds(1), 1e-6)), 0)

    def _measure(self, before: tuple[float, int, bool], now: float, epoch: int, *, frozen: bool) -> None:
        last, last_epoch, was_frozen = before
        if was_frozen != frozen:
            self._step_seconds.clear()
        elif last_epoch == epoch:
            self._step_seconds.append(now - last)
        else:
            self._between_seconds.append(max(now - last - self._step(), 0.0))

    def _is_known(self) -> bool:
        if len(self._between_seconds) < 2:
            return len(self._step_seconds) >= FIRST_STEPS
        return self._steps_in_epoch == 1 or bool(self._step_seconds)

    def _step(self) -> float:
        return statistics.median(self._step_seconds) if self._step_seconds else 0.0

    def _seconds(self, steps: int) -> float:
        """Return how long so many steps take, with the time between epochs."""
        between = statistics.mean(self._between_seconds) if self._between_seconds else 0.0
        return steps * self._step() + steps / self._steps_in_epoch * between

    def _left_of_limit(self, step: int) -> int | None:
        return None if self._steps is None else self._steps - step

    def _log_estimate(self, step: int, steps_left: int, spent: float, seconds_left: float) -> None:
        limit, by_steps = self._max_seconds, self._left_of_limit(step)
        whole = spent + (seconds_left if by_steps is None else self._seconds(by_steps))
        cut_short = limit is not None and by_steps is not None and whole > limit
        total = whole if cut_short else spent + seconds_left
        if self._logged is not None and abs(total - self._logged) <= max(LOG_PART * self._logged, LOG_SECONDS):
            return
        first, self._logged = self._logged is None, total
        more = "" if self._between_seconds else ", and validation"
        if cut_short and limit is not None and self._steps is not None:
            plan = f"{self._plan(self._steps)} would take {_duration(total)}"
            log.info("training ends after %s (max_minutes); %s", _duration(limit), plan)
        elif first and limit is not None and by_steps is None:
            plan = f"about {self._plan(step + steps_left)}{more}"
            log.info("training ends after %s (max_minutes): %s", _duration(limit), plan)
        elif first:
            log.info("training will take about %s: %s%s", _duration(total), self._plan(step + steps_left), more)
        else:
            plan = f"{_duration(seconds_left)} left: {self._plan(step + steps_left)}{more}"
            log.info("new estimate: training takes %s, %s", _duration(total), plan)

    def _plan(self, steps: int) -> str:
        epochs = math.ceil(steps / self._steps_in_epoch)
        return f"{plural(epochs, 'epoch')} of {plural(self._steps_in_epoch, 'step')}"

    def _update(self, epoch: int, step: int, steps_left: int | None, seconds_left: float | None) -> None:
        if steps_left is None:
            self._progress.update(STAGE, detail=f"epoch {epoch + 1}", unit="epoch")
            return
        steps = max(step + steps_left, 1)
        # With a time limit epochs may end early, so that there are more of them than the steps say.
        epochs = max(epoch + (1 if step else 0), math.ceil(steps / self._steps_in_epoch), 1)
        self._progress.update(
            STAGE,
            detail=f"epoch {min(epoch + 1, epochs)} of {epochs}",
            done=round(epochs * step / steps, 3),
            total=epochs,
            unit="epoch",
            seconds_left=None if seconds_left is None else round(max(seconds_left, 0.0), 1),
        )


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{max(round(seconds), 1)} s"
    minutes = seconds / 60
    return f"{minutes:.0f} minutes" if minutes < 100 else f"{minutes / 60:.1f} hours"
