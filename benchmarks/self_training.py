"""What images without annotations are worth: 30 annotated ones, the same with the rest unlabelled, and all annotated.

    python benchmarks/self_training.py --corpus FOLDER [--sets nuclei pcb] [--seeds 0 1 2] [--minutes 20]

Each set of `corpus.py` is trained three times for each seed, with the same time limit: on the first 30 training images,
on these and on the other training images without their annotations (`--unlabelled`), and on all. The part of the way
is (self-training - 30) / (all - 30), by mAP50 and by mAP on the test images; the mean over sets takes the means of the
three first. Each training is written to benchmarks/results/self_training.json at once, and not done again.
"""

import argparse
import json
import shutil
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from accuracy import code_version, read_lines
from corpus import IMAGE_SUFFIXES, ImageSet, find_sets
from results import describe_machine
from trainings import Training, train_and_evaluate

from preannotate.core.files import replace_text

RESULTS = Path(__file__).parent / "results" / "self_training.json"
LABELLED, SELF_TRAINING, ALL = "labelled", "self-training", "all"
WAYS = (LABELLED, SELF_TRAINING, ALL)
SCORES = {"map50": "mAP50", "mean_ap": "mAP"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--corpus", type=Path, metavar="FOLDER", help="folder of sets; the scenes are always added")
    parser.add_argument("--sets", nargs="+", metavar="NAME", help="only these sets")
    parser.add_argument("--count", type=int, default=30, help="annotated images")
    parser.add_argument("--model", default="auto")
    parser.add_argument("--base-model", help="default: that of `preannotate train`")
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--ways", nargs="+", default=WAYS, choices=WAYS, help="train only in these (default: all)")
    parser.add_argument("--arguments", default="", help="further arguments of the trainer")
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="FILE", help="default: %(default)s")
    options = parser.parse_args()
    key = {
        "code": code_version(),
        "minutes": options.minutes,
        "model": options.model,
        "base_model": options.base_model,
        "arguments": options.arguments,
        "count": options.count,
    }
    with tempfile.TemporaryDirectory() as folder:
        for image_set in find_sets(options.corpus, Path(folder), options.sets):
            for seed in options.seeds:
                for way in options.ways:
                    _measure(
                        {**key, "name": image_set.name, "seed": seed, "way": way}, image_set, Path(folder), options
                    )
    print(table([line for line in read_lines(options.results) if key.items() <= line.items()]))


def _measure(key: dict[str, Any], image_set: ImageSet, work: Path, options: argparse.Namespace) -> None:
    """Do one training, unless the results have it."""
    if any(key.items() <= line.items() for line in read_lines(options.results)):
        return
    print(f"{key['name']}, {key['way']}, seed {key['seed']} …", file=sys.stderr, flush=True)
    arguments = ",".join(filter(None, (f"max_minutes={options.minutes:g}", options.arguments)))
    training = Training(
        *(image_set.train, image_set.first(None if key["way"] == ALL else options.count)),
        *(image_set.test, image_set.test_names, options.model, options.base_model, arguments),
        unlabelled=_unlabelled(image_set, options.count, work) if key["way"] == SELF_TRAINING else None,
    )
    measured = train_and_evaluate(training, key["seed"], work / f"{key['name']}-{key['seed']}-{key['way']}")
    line = {**key, **{f"used_{name}": measured.pop(name) for name in ("model", "base_model")}, **measured}
    lines = [*read_lines(options.results), {**line, "machine": describe_machine()}]
    replace_text(options.results, json.dumps(lines, indent=1) + "\n")


def _unlabelled(image_set: ImageSet, count: int, work: Path) -> Path:
    """Return a folder with the training images beyond the first `count`, without annotations."""
    folder = work / f"{image_set.name}-unlabelled"
    if not folder.exists():
        files = {path.stem: path for path in image_set.train.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES}
        folder.mkdir()
        for name in set(image_set.train_names) - set(image_set.first(count)):
            path = files.get(name) or files[Path(name).stem]
            shutil.copy(path, folder / path.name)
    return folder


def table(lines: Sequence[dict[str, Any]]) -> str:
    """Return a Markdown table: a row for each set and score, and the mean over the sets that have all three ways."""
    rows = [("data", "score", *WAYS, "part of the way", "kept"), ("---",) * 7]
    for score, title in SCORES.items():
        means = []
        for name in dict.fromkeys(line["name"] for line in lines):
            of_set = [line for line in lines if line["name"] == name]
            values = [[line[score] for line in of_set if line["way"] == way] for way in WAYS]
            if all(values):
                kept = [line["self_training"]["kept"] for line in of_set if line.get("self_training")]
                means.append([statistics.mean(of_way) for of_way in values])
                rows.append((name, title, *_cells(means[-1]), f"{sum(kept)} of {len(kept)}"))
        if len(means) > 1:
            rows.append(
                ("**mean**", title, *_cells([statistics.mean(column) for column in zip(*means, strict=True)]), "")
            )
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _cells(means: Sequence[float]) -> list[str]:
    labelled, self_training, everything = means
    way = everything - labelled
    part = f"{(self_training - labelled) / way:.0%}" if way > 0 else "none"
    return [*(f"{value:.3f}" for value in means), part]


if __name__ == "__main__":
    main()
