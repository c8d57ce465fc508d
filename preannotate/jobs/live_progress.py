"""What a run is doing, read from the files that it writes; cheap enough for every second."""

import contextlib
import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from preannotate.core.progress import Progress, Stage, State
from preannotate.jobs.exit_reasons import tail
from preannotate.jobs.queue import LOG, Run
from preannotate.jobs.task_request import RunKind

Row = Mapping[str, float | None]
# A larger file is not one of ours.
_MAX_BYTES = 4_000_000
# How long stages take relative to each other; a training is most of a run.
_WEIGHTS = {"pull": 5, "train": 80, "build": 5, "check": 3, "publish": 1, "verify": 1, "annotate": 5}


@dataclass(frozen=True)
class LiveProgress:
    """A moment of a run.

    Attributes:
        stages: In order; empty before the run has written any. A run that does not train has one stage.
        epoch: From 1; None before the training starts, as `epochs`.
        seconds_left: Of the stage that runs; None if it is not known.
        curve: A row for each epoch: {"epoch", "loss", "map50", "mean_ap", "seconds"}; None where nothing was measured.
        log_tail: The last lines of the log, without control characters.
        fraction: How much of the whole run is done, in [0, 1]; an estimate for people.
    """

    stages: tuple[Stage, ...]
    epoch: int | None
    epochs: int | None
    seconds_left: float | None
    curve: tuple[Row, ...]
    log_tail: str
    fraction: float


def read_live_progress(run: Run) -> LiveProgress:
    """Return what a run is doing now; files that do not exist yet, or are damaged, count as empty."""
    progress = run.progress or Progress()
    if run.state.is_over:
        progress = progress.ended_as(run.state)
    stages = tuple(replace(stage, detail=stage.detail or stage.count) for stage in progress.stages)
    if run.kind != RunKind.TRAIN:  # its file counts one thing, whatever it is called
        stage = stages[0] if stages else Stage(run.kind)
        stages = (replace(stage, name=run.kind, state=run.state, started=run.started, ended=run.ended),)
    training = progress.stage("train") or Stage("train")
    epochs = math.ceil(training.total) if training.total else None
    version = progress.version if progress.version is not None else run.version
    return LiveProgress(
        stages=stages,
        epoch=None if epochs is None else min(max(math.ceil(training.done or 0), 1), epochs),
        epochs=epochs,
        seconds_left=next((stage.seconds_left for stage in stages if stage.state == State.RUNNING), None),
        curve=() if version is None else learning_curve(run.model_folder / f"versions/{version}/run/metrics.csv"),
        log_tail=tail(run.folder / LOG),
        fraction=1.0 if run.state == State.DONE else _fraction(stages),
    )


def learning_curve(path: Path) -> tuple[Row, ...]:
    """Return the rows of a `metrics.csv` with the losses added up; unreadable rows are left out."""
    rows = []
    for row in csv.DictReader(io.StringIO(_text(path))):
        epoch = _number(row.get("epoch"))
        if epoch is None:
            continue
        losses = [_number(value) for name, value in row.items() if name and name.endswith("_loss")]
        known = [loss for loss in losses if loss is not None]
        rest = {name: _number(row.get(name)) for name in ("map50", "mean_ap", "seconds")}
        rows.append({"epoch": epoch, "loss": sum(known) if known else None, **rest})
    return tuple(rows)


def _fraction(stages: Sequence[Stage]) -> float:
    weights = {stage.name: _WEIGHTS.get(stage.name, 1) for stage in stages}
    done = sum(weights[stage.name] * stage.fraction for stage in stages)
    return done / sum(weights.values()) if weights else 0.0


def _text(path: Path) -> str:
    with contextlib.suppress(OSError), path.open("rb") as file:
        return file.read(_MAX_BYTES).decode("utf-8", "replace")
    return ""


def _number(value: str | None) -> float | None:
    try:
        number = float(value or "")
    except ValueError:
        return None
    return number if math.isfinite(number) else None
