"""Curves of a training as points of an SVG; the template draws them, with the same numbers as a table."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 480, 200
LEFT, RIGHT, TOP, BOTTOM = 44, 14, 14, 26
# A polyline of more points looks the same and makes the page heavy.
_MOST_POINTS = 240


@dataclass(frozen=True)
class Tick:
    """A labelled position on an axis."""

    at: float
    text: str


@dataclass(frozen=True)
class ChartLine:
    """One curve.

    Attributes:
        label: In the legend.
        key: Its class in the style sheet.
        points: "x,y x,y …".
        last: Its latest value, as text.
        end: (x, y) of the latest value.
    """

    label: str
    key: str
    points: str
    last: str
    end: tuple[float, float]


@dataclass(frozen=True)
class Chart:
    """A chart of curves over epochs.

    Attributes:
        summary: Its text alternative, one sentence.
        lines: Curves with at least one value.
        across: Ticks of the values.
        along: Ticks of the epochs.
    """

    title: str
    summary: str
    lines: tuple[ChartLine, ...]
    across: tuple[Tick, ...]
    along: tuple[Tick, ...]


def charts(curve: Sequence[Mapping[str, float | None]], epochs: int) -> list[Chart]:
    """Return the charts of loss and of accuracy on the validation images, without those that have no values.

    Args:
        curve: A row for each epoch, as in `LiveProgress`.
        epochs: Of the whole training; 0 if not known.
    """
    last = max([epochs, 1, *(int(row.get("epoch") or 0) for row in curve)])
    accuracy = (("map50", "mAP50", "first"), ("mean_ap", "mAP", "second"))
    found = [
        _chart("Loss", curve, last, (("loss", "training", "loss"),), top=None),
        _chart("Accuracy on validation images", curve, last, accuracy, top=1.0),
    ]
    return [chart for chart in found if chart is not None]


def _chart(
    title: str,
    curve: Sequence[Mapping[str, float | None]],
    last_epoch: int,
    columns: Sequence[tuple[str, str, str]],
    *,
    top: float | None,
) -> Chart | None:
    series = {key: _values(curve, key) for key, _, _ in columns}
    values = [value for pairs in series.values() for _, value in pairs]
    if not values:
        return None
    ceiling = top or _round_up(max(values))
    lines = [_line(label, style, series[key], last_epoch, ceiling) for key, label, style in columns if series[key]]
    latest = ", ".join(f"{line.label} {line.last}" for line in lines)
    epoch = max(epoch for pairs in series.values() for epoch, _ in pairs)
    return Chart(
        title,
        f"{title} over {epoch:g} of {last_epoch} epochs; latest: {latest}.",
        tuple(lines),
        tuple(Tick(_y(ceiling * part / 4, ceiling), f"{ceiling * part / 4:.3g}") for part in range(5)),
        tuple(Tick(_x(epoch, last_epoch), str(epoch)) for epoch in _epochs(last_epoch)),
    )


def _values(curve: Sequence[Mapping[str, float | None]], key: str) -> list[tuple[float, float]]:
    pairs = [(row.get("epoch"), row.get(key)) for row in curve]
    return [
        (float(epoch), float(value))
        for epoch, value in pairs
        if epoch is not None and value is not None and math.isfinite(value)
    ]


def _line(label: str, style: str, pairs: list[tuple[float, float]], last_epoch: int, ceiling: float) -> ChartLine:
    step = -(-len(pairs) // _MOST_POINTS)
    shown = [*pairs[:-1:step], pairs[-1]]
    places = [(_x(epoch, last_epoch), _y(value, ceiling)) for epoch, value in shown]
    text = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    return ChartLine(label, style, text, f"{pairs[-1][1]:.3f}", places[-1])


def _x(epoch: float, last_epoch: int) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * (epoch - 1) / max(last_epoch - 1, 1)


def _y(value: float, ceiling: float) -> float:
    part = min(max(value / ceiling, 0.0), 1.0)
    return TOP + (HEIGHT - TOP - BOTTOM) * (1 - part)


def _round_up(value: float) -> float:
    """Round up to 1, 2, 2.5, 4, 5, 8 or 10 times a power of ten, so that quarters of it are short numbers."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 2.5, 4, 5, 8, 10) if step * power >= value * 0.999999)


def _epochs(last: int) -> list[int]:
    if last <= 6:
        return list(range(1, last + 1))
    return sorted({1, *(round(1 + (last - 1) * part / 4) for part in range(1, 5))})


def sparkline(values: Sequence[float], width: int = 120, height: int = 28) -> str:
    """Return the points of a small curve of scores, such as those of a model's versions; "" without scores."""
    if not values:
        return ""
    steps = max(len(values) - 1, 1)
    low, high = min(values) - 0.03, max(values)
    return " ".join(
        f"{3 + (width - 6) * place / steps:.1f},{3 + (height - 6) * (high - value) / (high - low):.1f}"
        for place, value in enumerate(values)
    )
