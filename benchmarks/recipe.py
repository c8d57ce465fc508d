"""What an argument of the trainer is worth with few images: short trainings, scored on all images that they leave.

    python benchmarks/recipe.py --corpus FOLDER --steps 250 copy_paste=0 backbone_learning_rate=0.5,copy_paste=0

A test part of 30 images cannot tell two ways of training apart. With the first 30 training images of a set all others
are left for scoring, several times as many as a test part has: they are the validation images of the run, so that
nothing is held out of the 30. The defaults are always trained as well. One line for each training is printed and kept
in benchmarks/results/recipe.json. Scores are those of the weights that the run keeps.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from accuracy import code_version
from corpus import ImageSet, find_sets
from results import describe_machine
from trainings import describe_run, preannotate, round_scores

RESULTS = Path(__file__).parent / "results" / "recipe.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("variants", nargs="*", metavar="ARGUMENTS", help="of `preannotate train`, beside the defaults")
    parser.add_argument("--corpus", type=Path, metavar="FOLDER", help="folder of sets; the scenes are always added")
    parser.add_argument("--sets", nargs="+", metavar="NAME", help="only these sets")
    parser.add_argument("--count", type=int, default=30)
    parser.add_argument("--steps", type=int, default=250)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--model", default="yolox-nano")
    parser.add_argument("--base-model", default="coco")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        for image_set in find_sets(options.corpus, work, options.sets):
            for seed in options.seeds:
                for number, variant in enumerate(("", *options.variants)):
                    run = work / f"{image_set.name}-{seed}-{number}"
                    _keep(_train(image_set, variant, seed, options, run))


def _train(image_set: ImageSet, variant: str, seed: int, options: argparse.Namespace, run: Path) -> dict[str, Any]:
    chosen = image_set.first(options.count)
    others = [name for name in (*image_set.train_names, *image_set.test_names) if name not in chosen]
    split = run.with_suffix(".txt")
    split.write_text("\n".join(others), encoding="utf-8")
    exports = dict.fromkeys((str(image_set.train), str(image_set.test)))
    arguments = ",".join(filter(None, (f"steps={options.steps},seed={seed}", variant)))
    command = ["train", *exports, "--split-file", str(split), "--output", str(run), "--arguments", arguments]
    summary, memory = preannotate(*command, "--model", options.model, "--base-model", options.base_model)
    return {
        "name": image_set.name,
        "training_images": len(chosen),
        "arguments": variant,
        "seed": seed,
        **round_scores(summary["validation"]),
        **describe_run(run, summary, memory),
        "code": code_version(),
        "machine": describe_machine(),
    }


def _keep(line: dict[str, Any]) -> None:
    lines = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else []
    RESULTS.write_text(json.dumps([*lines, line], indent=1) + "\n", encoding="utf-8")
    arguments = line["arguments"] or "defaults"
    print(f"{line['name']}, {arguments}: mAP50 {line['map50']:.3f}, mAP {line['mean_ap']:.3f}", flush=True)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
