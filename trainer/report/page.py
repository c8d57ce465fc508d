"""The page: facts, figures, advice, plots and pictures through `template.html`.

It has no script and loads nothing: its own content security policy forbids both, and Jinja escapes everything that
comes from annotations (labels, names of files).
"""

import math
import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from evaluation.bootstrap import CONFIDENCE, RESAMPLES
from evaluation.object_sizes import LARGE_FROM, SMALL_BELOW
from evaluation.outcomes import RIGHT_FROM, SAME_OBJECT_FROM
from evaluation.postprocess import SUPPRESSION_KEY
from evaluation.speed import StageTimes
from evaluation.thresholds import ThresholdSweep
from preannotate.core.files import replace_text
from preannotate.core.html import html_environment
from preannotate.core.text import plural
from runtime.manifest import Postprocess
from trainer.arguments.table import format_value
from trainer.config import TILES_KEY
from trainer.report import advice, pictures, plots
from trainer.report.facts import RunFacts
from trainer.report.figures import Figures
from trainer.run_directory import RunDirectory
from trainer.self_training_result import describe

# Classes whose curves are drawn, those with most boxes first; the tables hold all.
CURVES_SHOWN = 12
# The names in `parity.json`, for people.
FORMS = {
    "reference": "network as trained",
    "saved_model": "SavedModel",
    "ir_f32": "IR with float32 weights",
    "ir": "IR as built",
    "served": "answers of the CPU function",
    "served_gpu": "answers of the GPU function",
}


@dataclass(frozen=True)
class BuiltFunction:
    """A function built from the run, of which the page shows parity and speed.

    Attributes:
        parity: The content of its `parity.json`.
        stages: Its speed on this machine; None if its engine is not installed.
        postprocess: Its thresholds, which may be older than those of the run.
    """

    name: str
    parity: Mapping[str, Any]
    stages: StageTimes | None
    postprocess: Postprocess


def write(run: RunDirectory, *, output: Path | None = None, function: BuiltFunction | None = None) -> Path:
    """Write the page of a finished run, by default as `report.html` in its folder, and return its path."""
    path = output or run.report
    replace_text(path, render(RunFacts.read(run), function))
    return path


def render(facts: RunFacts, function: BuiltFunction | None = None) -> str:
    """Return the page as HTML."""
    figures = Figures.of(facts)
    template = _environment().get_template("template.html")
    return template.render(
        facts=facts,
        config=asdict(facts.config),
        figures=figures,
        labels=facts.truth.labels,
        outlines=_outlines(facts),
        thresholds=facts.manifest.postprocess.thresholds,
        tiles=facts.manifest.provenance.get(TILES_KEY),
        suppression=facts.manifest.provenance.get(SUPPRESSION_KEY),
        caveats=list(advice.caveats(facts, figures)),
        steps=list(advice.next_steps(facts, figures)),
        work=_work(facts, figures),
        self_training=_self_training(facts),
        losses=plots.losses(facts.epochs),
        loss_parts=_loss_parts(facts),
        scores=plots.scores(facts.epochs),
        curves=_curves(facts, figures),
        pictures=pictures.worst(facts, figures.by_image),
        colours={name: "rgb({} {} {})".format(*colour) for name, colour in pictures.COLOURS.items()},
        bounds={
            "right_from": RIGHT_FROM,
            "same_object_from": SAME_OBJECT_FROM,
            "small_below": SMALL_BELOW,
            "large_from": LARGE_FROM,
        },
        resamples=RESAMPLES,
        confidence=CONFIDENCE,
        speeds=_speeds(facts, function),
        function=function,
        forms=FORMS,
        command=_command(facts),
    )


def _environment() -> jinja2.Environment:
    environment = html_environment(Path(__file__).parent)
    environment.filters.update(duration=duration, fixed=fixed, percent=percent, count=plural)
    return environment


@dataclass(frozen=True)
class _Work:
    """A row of the annotator's work: a name of `CorrectionCosts`, its meaning, how many, seconds each."""

    name: str
    meaning: str
    number: int
    each: float

    @property
    def kind(self) -> str:
        """The name of the same work on a box, which has the same colour."""
        return self.name.removesuffix("_outline")

    @property
    def seconds(self) -> float:
        return self.number * self.each


def _work(facts: RunFacts, figures: Figures) -> list[_Work]:
    """Return the rows; those of boxes or of outlines are left out where no object was annotated so."""
    total, costs, outlines = figures.total, facts.costs, _outlines(facts)
    loose_outlines, missed_outlines = total.loose_outlines, total.missed_outlines
    loose, missed = total.loose - loose_outlines, total.missed - missed_outlines
    with_boxes = loose or outlines < sum(figures.boxes) or not outlines
    rows = (
        (True, _Work("check", "look at what is shown", total.shown, costs.check)),
        (with_boxes, _Work("adjust", "move the sides of a loose box", loose, costs.adjust)),
        (outlines, _Work("adjust_outline", "fix a part of a loose outline", loose_outlines, costs.adjust_outline)),
        (True, _Work("relabel", "fix a wrong label", total.wrong_label, costs.relabel)),
        (True, _Work("delete", "remove a false detection", total.false, costs.delete)),
        (with_boxes, _Work("draw", "draw a missed box", missed, costs.draw)),
        (outlines, _Work("draw_outline", "draw a missed outline", missed_outlines, costs.draw_outline)),
    )
    return [row for shown, row in rows if shown]


def _outlines(facts: RunFacts) -> int:
    """Return how many objects of the validation images were annotated with an outline that the model learns."""
    return sum(mask is not None for image in facts.truth.images for mask in image.masks)


def _loss_parts(facts: RunFacts) -> list[tuple[str, float | None, float | None]]:
    """Return name, first and last value of each part of the loss."""
    if not facts.epochs:
        return []
    first, last = facts.epochs[0], facts.epochs[-1]
    return [(text, first[column], last[column]) for column, text in plots.loss_columns(facts.epochs).items()]


def _self_training(facts: RunFacts) -> str | None:
    result = facts.summary.get("self_training")  # none in runs of before it
    return f"S{describe(result)[1:]}." if result else None


@dataclass(frozen=True)
class _ClassCurves:
    """What is drawn of one class; `point` is (precision, recall) at its threshold."""

    label: str
    threshold: float
    precision_recall: Markup
    seconds: Markup
    sweep: ThresholdSweep
    point: tuple[float, float] | None


def _curves(facts: RunFacts, figures: Figures) -> list[_ClassCurves]:
    classes = sorted(range(len(figures.boxes)), key=lambda class_id: -figures.boxes[class_id])[:CURVES_SHOWN]
    cuts = facts.manifest.postprocess.thresholds
    return [
        _ClassCurves(
            facts.truth.labels[k],
            cuts[k],
            plots.precision_recall(figures.curves[k], cuts[k], name=f"precision-{k}"),
            plots.seconds_by_threshold(figures.sweeps[k], cuts[k], name=f"seconds-{k}"),
            figures.sweeps[k],
            figures.curves[k].at(cuts[k]),
        )
        for k in sorted(classes)
    ]


def _speeds(facts: RunFacts, function: BuiltFunction | None) -> list[tuple[str, StageTimes]]:
    measured = []
    if "stages" in facts.measurements:
        measured.append(("SavedModel", StageTimes(**facts.measurements["stages"])))
    if function and function.stages:
        measured.append((f"function {function.name}", function.stages))
    return measured


def _command(facts: RunFacts) -> str:
    """Return the command that trains such a run again, with the arguments as requested."""
    overrides = facts.config.overrides
    exports = [export["name"] for export in facts.dataset.get("exports", [])] or ["EXPORT"]
    parts = ["preannotate", "train", *exports, "--model", facts.manifest.family]
    parts += ["--base-model", facts.config.base_model]
    if overrides:
        parts += ["--arguments", ",".join(f"{name}={format_value(name, value)}" for name, value in overrides.items())]
    return shlex.join(parts)


def duration(seconds: float) -> str:
    """Return seconds as text without line breaks: 53 s, 7 min 5 s, 2 h 10 min."""
    minutes, rest = divmod(round(seconds), 60)
    if seconds < 120:
        text = f"{seconds:.0f} s"
    elif minutes < 120:
        text = f"{minutes} min {rest} s" if rest else f"{minutes} min"
    else:
        text = f"{minutes // 60} h {minutes % 60} min"
    return text.replace(" ", "\N{NO-BREAK SPACE}")


def fixed(value: float | None, digits: int = 2) -> str:
    """Return a number with so many digits; a dash for None and NaN."""
    if value is None or math.isnan(value):
        return "\N{EN DASH}"
    return f"{value:.{digits}f}" if math.isfinite(value) else "\N{INFINITY}"


def percent(value: float) -> str:
    """Return a fraction as a percentage, clipped to [0, 1]."""
    return f"{100 * min(max(value, 0.0), 1.0):.1f}%" if math.isfinite(value) else "0%"
