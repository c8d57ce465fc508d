"""What INT8 costs: the CPU variants of one run in FP16 and INT8, on images that training has not seen.

    python benchmarks/int8.py runs/NAME DATA --images eval_test.txt

Builds both as `preannotate build` does, which takes FP16 where INT8 costs more than a point on the run's own validation
images; `build` says which was built, and why, with size and time of the INT8 network relative to the FP16 one as the
build measured them. `--name` appends to benchmarks/results/int8.json.
"""

import tempfile
from pathlib import Path
from typing import Any

from results import describe_machine, model_parser, report
from trainings import preannotate

from builder.function_directory import FunctionDirectory

SCORES = ("map50", "mean_ap")


def main() -> None:
    options = model_parser(__doc__.splitlines()[0]).parse_args()
    with tempfile.TemporaryDirectory() as folder:
        functions = {kind: Path(folder) / kind / "function" for kind in ("fp16", "int8")}
        for kind, function in functions.items():
            preannotate(
                *("build", str(options.model), "--precision", kind),
                *("--name", function.name, "--output", str(function.parent)),
            )
        measured = {kind: _evaluate(function, options) for kind, function in functions.items()}
        proof = FunctionDirectory.find(functions["int8"]).proof()
    figures = {
        **{score: {kind: round(scores[score], 4) for kind, scores in measured.items()} for score in SCORES},
        "points": {score: round(100 * (measured["int8"][score] - measured["fp16"][score]), 2) for score in SCORES},
        "build": proof.figures["precision"],
        "test_images": measured["fp16"]["images"],
        "test_boxes": measured["fp16"]["boxes"],
        "machine": describe_machine(),
    }
    report(figures, "int8.json", options.name)


def _evaluate(function: Path, options: Any) -> dict[str, Any]:
    images = ["--images", str(options.images)] if options.images else []
    return preannotate("evaluate", str(function), str(options.data), *images)[0]


if __name__ == "__main__":
    main()
