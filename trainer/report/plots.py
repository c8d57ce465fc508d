"""Curves as SVG that stands in the page: its colours follow the page's, its text is text.

No name from outside is drawn: matplotlib would read `$` as mathematics and lacks most scripts; the page has them.
"""

import io
import itertools
import re
from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree import ElementTree

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from evaluation.average_precision import PrecisionRecallCurve
from evaluation.thresholds import HIGHEST, LOWEST, ThresholdSweep

_SVG, _XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
# Colours that stand for the page's own; matplotlib writes them as they are here.
_INK, _MUTED, _LINE, _ACCENT, _WARM = "#010101", "#020202", "#030303", "#040404", "#050505"
_SERIES = ("#060606", "#070707", "#080808", "#090909", "#0a0a0a")
_VARIABLES = {
    _INK: "--ink",
    _MUTED: "--muted",
    _LINE: "--line",
    _ACCENT: "--accent",
    _WARM: "--warm",
    **{colour: f"--series-{number}" for number, colour in enumerate(_SERIES, start=1)},
}
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "report",  # the same curve gives the same bytes
    "font.size": 9,
    "text.color": _INK,
    "text.parse_math": False,
    "axes.edgecolor": _LINE,
    "axes.labelcolor": _MUTED,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": _LINE,
    "grid.linewidth": 0.6,
    "xtick.color": _LINE,
    "ytick.color": _LINE,
    "xtick.labelcolor": _MUTED,
    "ytick.labelcolor": _MUTED,
    "legend.frameon": False,
    "legend.labelcolor": _INK,
    "lines.linewidth": 1.8,
}
_UNITS = (("seconds", 1), ("minutes", 60), ("hours", 3600))
SCORES = {"map50": "mAP50", "mean_ap": "mAP"}
MASK_SCORES = {"mask_map50": "mask mAP50", "mask_mean_ap": "mask mAP"}


def loss_columns(epochs: Sequence[Mapping[str, float | None]]) -> dict[str, str]:
    """Return the columns of the metrics that end in `_loss`, with their names for people."""
    names = [name for name in epochs[0] if name.endswith("_loss")] if epochs else []
    return {name: name.removesuffix("_loss").replace("_", " ") for name in names}


def losses(epochs: Sequence[Mapping[str, float | None]]) -> Markup:
    """Plot every part of the loss by epoch."""
    return _lines(epochs, loss_columns(epochs), top=None, name="losses")


def scores(epochs: Sequence[Mapping[str, float | None]]) -> Markup:
    """Plot mAP50 and mAP on the validation images, and those of masks if the network learns them."""
    has_masks = bool(epochs) and set(MASK_SCORES) <= set(epochs[0])
    return _lines(epochs, SCORES | MASK_SCORES if has_masks else SCORES, top=1.0, name="scores")


def _lines(
    epochs: Sequence[Mapping[str, float | None]], columns: Mapping[str, str], *, top: float | None, name: str
) -> Markup:
    with mpl.rc_context(_STYLE):
        figure, axes = _axes((4.2, 2.7))
        for (column, text), colour in zip(columns.items(), itertools.cycle(_SERIES), strict=False):
            points = [(row["epoch"], row[column]) for row in epochs if row.get(column) is not None]
            marker = "o" if len(points) < 40 else None
            xs, ys = zip(*points, strict=True) if points else ((), ())
            axes.plot(xs, ys, marker=marker, markersize=3, color=colour, label=text)
        axes.set_ylim(0, top)
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True, steps=[1, 2, 2.5, 5, 10]))
        axes.legend(loc="best")
        return _svg(figure, name)


def precision_recall(curve: PrecisionRecallCurve, threshold: float, *, name: str) -> Markup:
    """Plot precision and recall of a class at IoU 0.5, with the point of its threshold."""
    with mpl.rc_context(_STYLE):
        figure, axes = _axes((2.6, 2.2))
        axes.plot([*curve.recall[:1] * 0, *curve.recall], [*curve.precision[:1], *curve.precision], color=_ACCENT)
        if (point := curve.at(threshold)) is not None:
            axes.plot(point[1], point[0], "o", color=_WARM, ms=7)
        axes.set(xlim=(0, 1.03), ylim=(0, 1.05), xlabel="recall", ylabel="precision")
        return _svg(figure, name)


def seconds_by_threshold(sweep: ThresholdSweep, threshold: float, *, name: str) -> Markup:
    """Plot the seconds of correction for each threshold of a class, with the chosen one."""
    with mpl.rc_context(_STYLE):
        figure, axes = _axes((2.6, 2.2))
        # Numbers of more digits would push the name of the axis out of the figure.
        unit, size = next(one for one in _UNITS if sweep.seconds[0] < 10_000 * one[1] or one is _UNITS[-1])
        seconds = sweep.seconds / size
        axes.step(sweep.edges, [seconds[0], *seconds], where="pre", color=_ACCENT)
        axes.axvline(threshold, color=_WARM, lw=1, ls="--")
        axes.plot(threshold, sweep.at(threshold) / size, "o", color=_WARM, ms=7)
        # How much the very lowest thresholds cost needs no room: that they cost too much can be seen.
        low, high = seconds.min(), max(seconds[0], 1.5 * seconds.min())
        margin = max(high - low, 1.0) * 0.12
        axes.set(xlim=(LOWEST, HIGHEST), ylim=(max(low - margin, 0), high + margin))
        axes.set(xlabel="threshold", ylabel=unit)
        return _svg(figure, name)


def _axes(size: tuple[float, float]) -> tuple[Figure, Axes]:
    """Return axes of a size in inches, which the page scales. Margins are fixed: fitting them is as slow as drawing."""
    figure = Figure(size)
    figure.patch.set_alpha(0)
    left, bottom = 0.6 / size[0], 0.45 / size[1]
    return figure, figure.add_axes((left, bottom, 0.98 - left, 0.96 - bottom))


def _svg(figure: Figure, name: str) -> Markup:
    """Return the figure as an HTML element without fixed size: ids begin with `name`, colours are the page's."""
    stream = io.StringIO()
    figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    root = ElementTree.fromstring(stream.getvalue())
    _drop(root, ("metadata", "style"))
    for attribute in ("width", "height", "version"):
        root.attrib.pop(attribute, None)
    root.set("aria-hidden", "true")  # what it shows is said in the figure's caption and table
    text = ElementTree.tostring(_plain(root, name), encoding="unicode")
    for colour, variable in _VARIABLES.items():
        text = text.replace(colour, f"var({variable})")
    text = re.sub(r"font: ([\d.]+px) [^;\"]*", r"font: \1 system-ui, sans-serif", text)
    return Markup(text)


def _drop(parent: ElementTree.Element, names: Sequence[str]) -> None:
    for child in list(parent):
        if child.tag in {f"{{{_SVG}}}{name}" for name in names}:
            parent.remove(child)
        else:
            _drop(child, names)


def _plain(root: ElementTree.Element, name: str) -> ElementTree.Element:
    """Remove namespaces, and keep only ids that something refers to, made unique in the page by `name`."""
    used = set(re.findall(r'(?:url\(#|href="#)([^")]+)', ElementTree.tostring(root, encoding="unicode")))
    for element in root.iter():
        element.tag = element.tag.removeprefix(f"{{{_SVG}}}")
        attributes = {key.removeprefix(f"{{{_XLINK}}}"): value for key, value in element.attrib.items()}
        if attributes.get("id") not in used:
            attributes.pop("id", None)
        for key, value in attributes.items():
            if key == "id":
                attributes[key] = f"{name}-{value}"
            else:
                attributes[key] = re.sub(r"^(url\()?#(?=[a-z][0-9a-f]{10}\)?$)", rf"\1#{name}-", value)
        element.attrib.clear()
        element.attrib.update(attributes)
    return root
