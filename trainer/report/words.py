"""Numbers as words for people."""

import math
from collections.abc import Sequence

_NAMES_SHOWN = 5


def duration(seconds: float) -> str:
    """Seconds for people, on one line: 53 s, 7 min 5 s, 2 h 10 min."""
    minutes, rest = divmod(round(seconds), 60)
    if seconds < 120:
        text = f"{seconds:.0f} s"
    elif minutes < 120:
        text = f"{minutes} min {rest} s" if rest else f"{minutes} min"
    else:
        text = f"{minutes // 60} h {minutes % 60} min"
    return text.replace(" ", "\N{NO-BREAK SPACE}")


def fixed(value: float | None, digits: int = 2) -> str:
    """A number with so many digits; a dash for none."""
    if value is None or math.isnan(value):
        return "\N{EN DASH}"
    return f"{value:.{digits}f}" if math.isfinite(value) else "\N{INFINITY}"


def percent(value: float) -> str:
    """A part of one as a length or a figure."""
    return f"{100 * min(max(value, 0.0), 1.0):.1f}%" if math.isfinite(value) else "0%"


def count(number: int, one: str, many: str = "") -> str:
    """The number with its word."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def listed(names: Sequence[str]) -> str:
    """The first names, and how many more there are."""
    shown = ", ".join(names[:_NAMES_SHOWN])
    return shown if len(names) <= _NAMES_SHOWN else f"{shown} and {len(names) - _NAMES_SHOWN} more"
