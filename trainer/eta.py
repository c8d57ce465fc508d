"""How long a training will take, said after its first steps and again when that was wrong.

Whoever shows a run reads `pace.json`, which is replaced at most once a second:

    {"epoch": 3, "epochs": 40, "step": 120, "steps": 1600, "seconds_spent": 61.0, "seconds_left": 700.0, "at": "…"}

`epoch` counts from 1, `step` is the number of steps done, `seconds_left` is null until it can be told.

What is timed is the time between the ends of two steps: the first step, which compiles, is not in it, and waiting for
images is. Steps get slower once the backbone is thawed, so what was timed before is forgotten then. What lies between
two epochs (validation, checkpoint) is timed apart.
"""

import datetime
import json
import logging
import math
import os
import statistics
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

log = logging.getLogger(__name__)

# Steps timed before anything is said, and those that count from then on.
FIRST_STEPS, RECENT_STEPS = 5, 30
RECENT_EPOCHS = 6
# A new estimate is worth a line if the one before was off by this much of it, and by more than a minute.
OFF_BY = 0.3
WORTH_SECONDS = 60
# Between two writings of `pace.json`.
WRITE_SECONDS = 1.0


class EtaEstimator:
    """Estimates of one run, written to the log and to `pace.json`."""

    def __init__(
        self,
        *,
        epochs: int,
        steps_in_epoch: int,
        steps: int = 0,
        spent: float = 0.0,
        max_seconds: float | None = None,
        file: Path | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Made when training starts.

        Args:
            epochs: As planned.
            steps_in_epoch: The last may have fewer.
            steps: Of the whole training; 0 is all of all epochs.
            spent: Seconds of training before a resume.
            max_seconds: The time limit, None for none.
            file: `pace.json`; None writes none.
            clock: Seconds.

        """
        self._epochs = epochs
        self._steps_in_epoch = steps_in_epoch
        self._steps = steps or epochs * steps_in_epoch
        self._max_seconds = max_seconds
        self._clock = clock
        self._start = clock() - spent
        self._step_seconds: deque[float] = deque(maxlen=RECENT_STEPS)
        self._between_seconds: deque[float] = deque(maxlen=RECENT_EPOCHS)
        self._last: tuple[float, int, bool] | None = None
        self._said: float | None = None
        self._file = file
        self._written = float("-inf")

    def begin(self, *, epoch: int, step: int) -> None:
        """Say where training begins or goes on: the first step, which compiles, may take a minute.

        Args:
            epoch: From 0 on.
            step: Steps done before.

        """
        self._write(epoch, step, self._clock(), None)

    def step_done(self, *, epoch: int, number: int, frozen: bool) -> None:
        """Called after each step.

        Args:
            epoch: From 0 on.
            number: Of the step in its epoch, from 0 on.
            frozen: Whether the backbone is.

        """
        now = self._clock()
        before, self._last = self._last, (now, epoch, frozen)
        done = epoch * self._steps_in_epoch + number + 1
        if before is not None:
            self._time(before, now, epoch, frozen=frozen)
        remaining = self._remaining(done) if self._is_known() else None
        if remaining is not None:
            self._say(remaining, now - self._start)
        if now - self._written >= WRITE_SECONDS or done == self._steps:
            self._write(epoch, done, now, remaining)

    def _time(self, before: tuple[float, int, bool], now: float, epoch: int, *, frozen: bool) -> None:
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

    def _say(self, remaining: float, spent: float) -> None:
        total = spent + remaining
        if self._said is not None and abs(total - self._said) <= max(OFF_BY * self._said, WORTH_SECONDS):
            return
        first, self._said = self._said is None, total
        log.info(self._sentence(total, remaining, first=first, validated=bool(self._between_seconds)))

    def _write(self, epoch: int, done: int, now: float, remaining: float | None) -> None:
        if self._file is None:
            return
        self._written, spent = now, now - self._start
        steps = self._steps
        if remaining is not None and self._max_seconds is not None:
            left = min(remaining, max(self._max_seconds - spent, 0.0))
            if left < remaining:  # the time limit ends it: as many steps as there is time for
                steps, remaining = done + round((steps - done) * left / remaining), left
        content = {
            "epoch": epoch + 1,
            "epochs": min(self._epochs, max(epoch + 1, math.ceil(steps / self._steps_in_epoch))),
            "step": done,
            "steps": steps,
            "seconds_spent": round(spent, 1),
            "seconds_left": None if remaining is None else round(max(remaining, 0.0), 1),
            "at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        }
        temporary = self._file.with_name(f".{self._file.name}.{os.getpid()}.new")
        try:
            temporary.write_text(json.dumps(content) + "\n", encoding="utf-8")
            temporary.replace(self._file)
        except OSError as error:  # a full disk is for the checkpoint to say
            log.debug("%s: %s", self._file, error)

    def _sentence(self, total: float, remaining: float, *, first: bool, validated: bool) -> str:
        what = f"{_count(self._epochs, 'epoch')} of {_count(self._steps_in_epoch, 'step')}"
        if self._max_seconds is not None and total > self._max_seconds:
            return f"training ends after {_words(self._max_seconds)}, as asked: {what} would take {_words(total)}"
        more = "" if validated else ", and validation"
        if first:
            return f"training will take about {_words(total)}: {what}{more}"
        return f"training will rather take {_words(total)}, of which {_words(remaining)} are left: {what}{more}"


def _words(seconds: float) -> str:
    if seconds < 90:
        return f"{max(round(seconds), 1)} s"
    minutes = seconds / 60
    return f"{minutes:.0f} minutes" if minutes < 100 else f"{minutes / 60:.1f} hours"


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"
