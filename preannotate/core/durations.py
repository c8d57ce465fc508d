"""Durations as Go writes them (`50s`, `1m30s`, `500ms`): in `eventTimeout` and in CVAT's headers."""

import re

_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)", re.ASCII)
_WHOLE = re.compile(rf"(?:{_PART.pattern})+", re.ASCII)


def seconds(text: str) -> float | None:
    """The duration in seconds, above 0; None if `text` is not one."""
    if not _WHOLE.fullmatch(text):
        return None
    total = sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))
    return total if 0 < total < float("inf") else None


def format_duration(value: float) -> str:
    """Return seconds for people: "45 s", "12 min", "2 h 5 min", "3 days"."""
    if value < 100:
        return f"{value:.0f} s"
    minutes = round(value / 60)
    if minutes < 100:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min" if minutes < 48 * 60 else f"{round(minutes / 1440)} days"
