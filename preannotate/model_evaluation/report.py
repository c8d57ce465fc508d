"""`preannotate report`: the report of a finished run again, with other correction costs or with a built function."""

import dataclasses
import math
import sys
from pathlib import Path

from builder.function_directory import FunctionDirectory
from evaluation import ground_truth, speed
from evaluation.corrections import COST_NAMES, CorrectionCosts
from evaluation.speed import StageTimes
from preannotate.core.errors import PreannotateError
from runtime import engines
from runtime.detector import Detector
from runtime.errors import EngineError
from runtime.manifest import Manifest
from trainer import report
from trainer.report import BuiltFunction
from trainer.report.facts import RunFacts
from trainer.run_directory import RunDirectory


class ReportError(PreannotateError, ValueError):
    """The report of a run cannot be written as requested."""


# An hour for one box is a typing error.
MAX_SECONDS = 3600.0
# How long the speed of a function is measured.
MEASURED_SECONDS = 5.0


def write_report(path: Path, *, costs: str | None, output: Path | None, function: Path | None) -> int:
    """Write the page; returns the exit code."""
    directory = RunDirectory(path)
    facts = RunFacts.read(directory)
    built = _built(function, directory, facts) if function else None
    if costs is not None:
        changed = report.change_costs(directory, parse_costs(costs, facts.costs))
        thresholds = zip(facts.truth.labels, changed, strict=True)
        print(f"{directory.export}: thresholds {', '.join(f'{label} {value:.3f}' for label, value in thresholds)}")
        print("functions built earlier keep their thresholds; to change them run: preannotate build --overwrite")
    # The run's own page always has the costs by which its thresholds were chosen.
    if costs is not None or output is None:
        print(report.write(directory, function=built))
    if output is not None:
        print(report.write(directory, output=output, function=built))
    return 0


def parse_costs(text: str, base: CorrectionCosts) -> CorrectionCosts:
    """Parse seconds such as `draw=25,delete=3`; costs that are not named stay as in `base`.

    Raises:
        ReportError: An unknown name or an impossible value, with the choices.
    """
    changes = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        name, _, value = (piece.strip() for piece in part.partition("="))
        if name not in COST_NAMES:
            raise ReportError(
                f"--costs: {part!r}; expected name=seconds with one of: {', '.join(COST_NAMES)}. "
                f"For example draw=25,delete=3."
            )
        changes[name] = _seconds(name, value)
    return dataclasses.replace(base, **changes)


def _seconds(name: str, text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    # What costs nothing to draw can save nothing.
    drawing = name in ("draw", "draw_outline")
    if not 0 <= seconds <= MAX_SECONDS or (drawing and seconds == 0):
        above = "above 0 and up to" if drawing else "from 0 to"
        raise ReportError(f"--costs: {name}={text}; expected seconds {above} {MAX_SECONDS:.0f}.")
    return seconds


def _built(path: Path, run: RunDirectory, facts: RunFacts) -> BuiltFunction:
    """The proof and the speed of a function that was built from this run."""
    directory = FunctionDirectory.open(path)
    manifest = Manifest.read(directory.path)
    if any(manifest.provenance.get(key) != facts.manifest.provenance.get(key) for key in ("created", "dataset")):
        raise ReportError(
            f"{path}: built from run {manifest.provenance.get('run')!r}; expected a function of {run.path}. "
            f"Name another, or build it again."
        )
    if problems := directory.proof_problems():
        raise ReportError(problems[0])
    proof = directory.proof()
    stages = _measure(directory.path, manifest, run)
    return BuiltFunction(directory.name, proof.figures if proof else {}, stages, manifest.postprocess)


def _measure(directory: Path, manifest: Manifest, run: RunDirectory) -> StageTimes | None:
    """The CPU variant's speed on the validation images; None with a note if OpenVINO is not there."""
    try:
        engine = engines.load("openvino", directory)
    except EngineError as error:
        print(f"note: speed not measured: {error}", file=sys.stderr)
        return None
    truth = ground_truth.read(run.export / "validation")
    return speed.measure(Detector(engine, manifest), truth, seconds=MEASURED_SECONDS)[0]
