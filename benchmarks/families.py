"""Every model family once from photographs to a verified function, small and short: that it works, and what it takes.

    python benchmarks/families.py --corpus FOLDER --set raccoon                   # all families
    python benchmarks/families.py --corpus FOLDER --set raccoon --models frcnn-nas --minutes 5
    python benchmarks/families.py                                                 # on the drawn scenes
    python benchmarks/families.py --markdown                                      # the table of what was measured

A few minutes from random weights show that a model trains, not how well: the step and the scores say how far it came.
`--base-model NAME=FILE` gives a family pretrained weights. A measured family is replaced, the others stay.
Results: benchmarks/results/families.json.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from corpus import SCENES, find_sets
from results import describe_machine
from trainings import Training, preannotate, train_and_evaluate

from preannotate.core.files import replace_text

RESULTS = Path(__file__).parent / "results" / "families.json"
# Small enough that the largest family takes hundreds of steps in minutes on two cores.
ARGUMENTS = "image_size=192,batch_size=2,early_stopping=none,ignore_memory=true"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--corpus", type=Path, metavar="FOLDER", help="see corpus.py")
    parser.add_argument("--set", default=SCENES, metavar="NAME", help="of the corpus (default: %(default)s)")
    parser.add_argument("--count", type=int, default=30, metavar="N", help="training images (default: %(default)s)")
    parser.add_argument("--models", nargs="+", help="default: all")
    parser.add_argument("--base-model", nargs="+", default=[], metavar="NAME=WEIGHTS", help="default: none, random")
    parser.add_argument("--minutes", type=float, default=3, help="of training (default: %(default)s)")
    parser.add_argument("--steps", type=int, metavar="N", help="end training after so many steps, not after minutes")
    parser.add_argument("--runs", type=Path, metavar="FOLDER", help="keep runs here, and continue those that are there")
    parser.add_argument("--arguments", default=ARGUMENTS, help="of the trainer (default: %(default)s)")
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="FILE", help="default: %(default)s")
    parser.add_argument("--markdown", action="store_true", help="print the table of what was measured, and end")
    options = parser.parse_args()
    if not options.markdown:
        _measure_all(options)
    print(markdown(_read(options.results)))


def _measure_all(options: argparse.Namespace) -> None:
    base_models = dict(text.split("=", 1) for text in options.base_model)
    for model in options.models or _all_models():
        with tempfile.TemporaryDirectory() as folder:
            print(f"{model} …", file=sys.stderr, flush=True)
            work = options.runs / model if options.runs else Path(folder)
            line = _measure(model, base_models.get(model, "none"), options, work)
        lines = {**_read(options.results), model: line}
        replace_text(options.results, json.dumps(lines, indent=1) + "\n")
        print(json.dumps(line), file=sys.stderr, flush=True)


def _all_models() -> list[str]:
    from trainer.models import MODELS

    return list(MODELS)


def _measure(model: str, base_model: str, options: argparse.Namespace, work: Path) -> dict[str, Any]:
    """Train, test, build and verify one family."""
    work.mkdir(parents=True, exist_ok=True)
    (image_set,) = find_sets(options.corpus, work, [options.set])
    names = image_set.first(options.count)
    limit = f"steps={options.steps}" if options.steps else f"max_minutes={options.minutes:g}"
    arguments = f"{limit},{options.arguments}"
    training = Training(
        *(image_set.train, names, image_set.test, image_set.test_names),
        *(model, base_model, arguments),
    )
    run, functions = work / "run", work / "functions"
    measured = train_and_evaluate(training, 0, run)
    built, build_memory = preannotate(
        "build", str(run), "--name", "function", "--output", str(functions), "--overwrite"
    )
    directory = functions / "function" / "nuclio"
    cpu_files = ("model.xml", "model.bin")
    return {
        "set": image_set.name,
        "training_images": len(names),
        "arguments": arguments,
        **measured,
        "verdict": built["verdict"],
        "served": built["scores"]["served"],
        "build_peak_memory_gb": build_memory,
        "ir_mb": round(sum((directory / file).stat().st_size for file in cpu_files) / 1e6, 1),
        "machine": describe_machine(),
    }


def _read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def markdown(lines: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the table of what was measured."""
    header = ("model", "base weights", "steps", "mAP50", "mAP", "minutes", "peak memory: training, build", "weights")
    rows = [header, ("---",) * len(header)]
    for model, line in lines.items():
        rows.append(
            (
                f"`{model}`",
                line["base_model"],
                f"{line['steps']} of {line['batch_size']} images",
                *(f"{line[name]:.3f}" for name in ("map50", "mean_ap")),
                f"{line['seconds'] / 60:.1f}",
                f"{line['peak_memory_gb']:.1f} GB, {line['build_peak_memory_gb']:.1f} GB",
                f"{line['ir_mb']:.0f} MB",
            )
        )
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


if __name__ == "__main__":
    main()
