"""What a run is doing, read from the files that it writes; cheap enough to be asked every second."""

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from preannotate.jobs import processes, queue
from preannotate.jobs.exit_reasons import own_progress
from preannotate.jobs.logs import tail
from preannotate.jobs.queue import DONE_FILE, LOG, TRAIN, Run
from preannotate.pipeline.progress import DONE, RUNNING, SKIPPED, WAITING, Stage

Row = Mapping[str, float | None]
# What a file may have before it is none of ours.
_MOST_BYTES = 4_000_000
# How long stages take beside each other; a training is most of a run.
_SHARES = {"pull": 5, "train": 80, "build": 5, "check": 3, "publish": 1, "verify": 1, "annotate": 5}


@dataclass(frozen=True)
class LiveProgress:
    """A moment of a run.

    Attributes:
        stages: As the run says them; empty before it says any. Other kinds than `TRAIN` have a single one.
        epoch: Of the training, from 1; 0 before.
        epochs: Of the training; 0 before.
        seconds_left: Of the training; None if not known, or not training.
        curve: A row for each epoch: {"epoch", "loss", "map50", "mean_ap", "seconds"}; None where nothing was measured.
        log_tail: The last lines of the log, without control characters.
        fraction: Of the whole run that is done, in [0, 1]; an estimate for people.
    """

    stages: tuple[Stage, ...]
    epoch: int
    epochs: int
    seconds_left: float | None
    curve: tuple[Row, ...]
    log_tail: str
    fraction: float


def read_live_progress(run: Run) -> LiveProgress:
    """What it is doing now; files that are not there yet, or half there, say nothing."""
    log = tail(run.folder / LOG)
    if run.kind != TRAIN:
        return _other(run, log)
    stages, version = _stages(run)
    version = version or run.version
    training = run.model_folder / "versions" / str(version) / "run"
    pace = _json(training / "pace.json") if version else {}
    state = next((stage.state for stage in stages if stage.name == "train"), WAITING)
    at_work = run.state == queue.RUNNING and state == RUNNING
    return LiveProgress(
        stages=stages,
        epoch=_whole(pace.get("epoch")),
        epochs=_whole(pace.get("epochs")),
        seconds_left=_number(pace.get("seconds_left")) if at_work else None,
        curve=curve(training / "metrics.csv") if version else (),
        log_tail=log,
        fraction=1.0 if run.state == queue.DONE else _fraction(stages, 0.0 if state == WAITING else _part(pace)),
    )


def curve(path: Path) -> tuple[Row, ...]:
    """The rows of a `metrics.csv`, the losses as one; rows that make no sense are left out."""
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


def _stages(run: Run) -> tuple[tuple[Stage, ...], int]:
    """The stages, and the number of the version."""
    if run.state == queue.RUNNING:
        progress = own_progress(run, processes.command_process(run.folder))
        return (tuple(progress.stages), progress.version) if progress else ((), 0)
    content = _json(run.folder / "progress.json")
    try:
        return tuple(Stage(**stage) for stage in content.get("stages", ())), _whole(content.get("version"))
    except TypeError:
        return (), 0


def _other(run: Run, log: str) -> LiveProgress:
    """A run without a training: one stage, which counts."""
    count = _json(run.folder / DONE_FILE)
    done, total = _whole(count.get("done")), _whole(count.get("total"))
    unit = str(count.get("unit", ""))
    detail = f"{done} of {total} {unit}{'' if total == 1 else 's'}" if total else ""
    stage = Stage(run.kind, run.state, run.began, run.ended, detail)
    part = 1.0 if run.state == queue.DONE else min(1.0, done / total) if total else 0.0
    return LiveProgress((stage,), 0, 0, None, (), log, part)


def _fraction(stages: Sequence[Stage], trained: float) -> float:
    shares = {stage.name: _SHARES.get(stage.name, 1) for stage in stages}
    done = sum(shares[stage.name] for stage in stages if stage.state in (DONE, SKIPPED))
    if any(stage.name == "train" and stage.state not in (DONE, SKIPPED) for stage in stages):
        done += shares["train"] * trained
    return done / sum(shares.values()) if shares else 0.0


def _part(pace: Mapping[str, Any]) -> float:
    """Of the training that is done, by its own estimate of time, else by steps."""
    spent, left = _number(pace.get("seconds_spent")), _number(pace.get("seconds_left"))
    if spent is not None and left is not None and spent + left > 0:
        return min(1.0, max(0.0, spent / (spent + left)))
    step, steps = _number(pace.get("step")), _number(pace.get("steps"))
    return min(1.0, max(0.0, step / steps)) if step is not None and steps else 0.0


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_MOST_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""


def _json(path: Path) -> Mapping[str, Any]:
    try:
        content = json.loads(_text(path))
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _whole(value: Any) -> int:
    number = _number(value)
    return int(number) if number is not None else 0
