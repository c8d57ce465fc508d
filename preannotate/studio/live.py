"""What a run is doing, read from the files that it writes; cheap enough to be asked every second."""

from collections.abc import Mapping
from dataclasses import dataclass

from preannotate.loop.progress import Stage
from preannotate.studio.queue import Run


@dataclass(frozen=True)
class Live:
    """A moment of a run.

    Attributes:
        stages: As the run says them; empty before it says any, and for kinds that have none.
        epoch: Of the training, from 1; 0 before.
        epochs: Of the training; 0 before.
        seconds_left: Of the training; None if not known.
        curve: A row for each epoch: {"epoch", "loss", "map50", "mean_ap", …}; None where nothing was measured.
        log_tail: The last lines of the log, at most `TAIL_BYTES`, without control characters.
        fraction: Of the whole run that is done, in [0, 1]; an estimate for people.
    """

    stages: tuple[Stage, ...]
    epoch: int
    epochs: int
    seconds_left: float | None
    curve: tuple[Mapping[str, float | None], ...]
    log_tail: str
    fraction: float


def live(run: Run) -> Live:
    """What it is doing now; files that are not there yet, or half there, say nothing."""
    raise NotImplementedError
