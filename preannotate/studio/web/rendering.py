"""Jinja2 with what all templates use: filters for times, counts and names of states; every value is escaped."""

import datetime
import functools
import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import jinja2

from preannotate.core.html import html_environment
from preannotate.core.text import format_duration, plural
from preannotate.jobs.live_progress import LiveProgress
from preannotate.studio.models import ModelSummary, VersionSummary

# Texts that `?done=` can show: a link cannot put text of its own on a page.
NOTICES = {
    "server-added": "Server added. The login works.",
    "server-login": "Login updated.",
    "server-removed": "Server and login removed.",
    "started": "Run added to the queue.",
    "stopping": "Stopping the run. You can resume it later.",
    "resumed": "Run added to the queue again. It continues where it stopped.",
    "deleted": "Run deleted.",
    "published": "Published. CVAT lists this version within a few seconds.",
    "unpublished": "Unpublished. CVAT no longer lists this model; its versions are kept.",
    "rolled-back": "Rolled back. CVAT lists the previous version within a few seconds.",
    "threshold": "Threshold changed, in the published function too.",
    "saved": "Saved.",
    "sent": "Test message sent. Check that it arrived.",
    "logged-out": "You are logged out.",
}
STATES = {
    "waiting": "Waiting", "running": "Running", "done": "Done", "failed": "Failed", "stopped": "Stopped",
    "skipped": "Unchanged",
}  # fmt: skip
KINDS = {"train": "Training", "annotate": "Auto-annotation", "review": "Review", "rank": "What to annotate next"}
STAGES = {
    "pull": "Download annotations", "train": "Train", "build": "Build function", "check": "Verify accuracy",
    "publish": "Publish", "verify": "Check in CVAT", "annotate": "Annotate remaining frames",
    "review": "Compare annotations", "rank": "Rank frames",
}  # fmt: skip

_BEGUN = ("running", "failed", "stopped")  # and not yet done


def moment(text: str, now: datetime.datetime | None = None) -> str:
    """Return an ISO time in the studio's own time zone: "14:05" today, else with the date; "" if it is none."""
    if (when := _time(text)) is None:
        return ""
    now = now or datetime.datetime.now().astimezone()
    here = when.astimezone(now.tzinfo)
    if here.date() == now.date():
        return f"{here:%H:%M}"
    return f"{here.day} {here:%B %H:%M}" if here.year == now.year else f"{here.day} {here:%B %Y}"


def took(began: str | None, ended: str | None) -> str:
    """Return how long something took, or has taken so far; "" before it began."""
    first, last = _time(began), _time(ended) or datetime.datetime.now(datetime.UTC)
    return "" if first is None else format_duration(max((last - first).total_seconds(), 0.0))


def score(value: float | None) -> str:
    """Return a score as in "0.934"; a dash for None."""
    return "\N{EN DASH}" if value is None else f"{value:.3f}"


def percent(value: float) -> str:
    """Return a fraction as in "43 %", with a no-break space."""
    return f"{round(100 * value)} %"


def count(number: int, one: str, many: str = "") -> str:
    """Return a number with its noun, as in "1 box" and "1 204 boxes"."""
    noun = plural(number, one, many).partition(" ")[2]
    return f"{number:,} {noun}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def _time(text: str | None) -> datetime.datetime | None:
    try:
        when = datetime.datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return when if when.tzinfo else when.replace(tzinfo=datetime.UTC)


def sentence(text: str) -> str:
    """Return a phrase with a capital letter and a full stop, without backquotes."""
    text = text.strip().replace("`", "")
    return text and text[0].upper() + text[1:] + ("" if text[-1] in ".!?" else ".")


def is_color(text: str) -> bool:
    """Return whether a colour of CVAT may be put into an attribute of an SVG."""
    return re.fullmatch(r"#[0-9a-fA-F]{6}", text) is not None


def stage_now(live: LiveProgress) -> str:
    """Return the name of the stage that runs or ended the run."""
    for state in _BEGUN:
        for stage in live.stages:
            if stage.state == state:
                return STAGES.get(stage.name, stage.name)
    return "Starting" if all(stage.state == "waiting" for stage in live.stages) else "Next step"


def is_training(live: LiveProgress) -> bool:
    """Return whether a run is in training, or ended in it."""
    return bool(live.epochs) and any(stage.name == "train" and stage.state in _BEGUN for stage in live.stages)


def latest(model: ModelSummary) -> VersionSummary | None:
    """Return the newest finished version."""
    return next((version for version in model.versions if version.complete), None)


FILTERS: dict[str, Callable[..., Any]] = {
    "moment": moment,
    "duration": format_duration,
    "took": took,
    "score": score,
    "percent": percent,
    "count": count,
    "state": lambda state: STATES.get(state, state),
    "kind": lambda kind: KINDS.get(kind, kind),
    "stage": lambda name: STAGES.get(name, name),
    "sentence": sentence,
    "is_color": is_color,
    "stage_now": stage_now,
    "is_training": is_training,
    "latest": latest,
    "pairs": lambda values: [(value, value) for value in values],
    "as_query": lambda pairs: urlencode({name: value for name, value in pairs.items() if value}, doseq=True),
}


STATIC = Path(__file__).parent / "static"


@functools.cache
def templates() -> jinja2.Environment:
    """Return the templates of the studio with their filters."""
    environment = html_environment(Path(__file__).parent / "templates")
    environment.filters |= FILTERS
    environment.globals |= {"asset": _asset, "NOTICES": NOTICES}
    return environment


@functools.cache
def _asset(name: str) -> str:
    """Return the URL of a file of `static`, which changes with its content."""
    return f"/static/{name}?v={hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]}"
