"""mAP50 and mAP on held-out images after training for some minutes, as mean and spread over seeds: one table.

    python benchmarks/accuracy.py --corpus FOLDER           # all sets of `corpus.py`, with 30 images and with all
    python benchmarks/accuracy.py                           # the drawn scenes alone: needs no images
    python benchmarks/accuracy.py --corpus FOLDER --sets pcb raccoon --count 30 --seeds 0
    python benchmarks/accuracy.py --markdown                # the table of what was measured
    python benchmarks/accuracy.py DATA --train train.txt --test test.txt --name boards      # images of your own

Each run is `preannotate train` with its defaults (`--model auto`) and `preannotate evaluate` on the run's own
SavedModel; the test images are seen by neither training nor the choice of weights. What was already measured with the
same arguments and the same code is not measured again, so the table can be made in pieces; with `--runs`, an
interrupted training goes on where it was. Results: benchmarks/results/accuracy.json, of which the studio shows the
latest: `python -m preannotate.studio.families` takes them over.
"""

import argparse
import hashlib
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from corpus import ImageSet, find_sets
from results import describe_machine
from trainings import Training, train_and_evaluate

from preannotate.core.files import replace_text

RESULTS = Path(__file__).parent / "results" / "accuracy.json"
# What trains and what scores: a result stands for as long as these stay as they were.
_CODE = ("trainer", "evaluation", "functions/runtime", "runtime")
# Values of one line that differ by seed: name in the line, name in what `train_and_evaluate` returns.
_BY_SEED = {
    "map50": "map50",
    "mean_ap": "mean_ap",
    "images_shown": "images_shown",
    "train_seconds": "seconds",
    "peak_memory_gb": "peak_memory_gb",
    "load": "load",
}
_OF_ALL = ("model", "base_model", "input_size", "batch_size", "test_images", "test_boxes")
_KEY = ("name", "training_images", "asked", "minutes", "arguments", "code")


def main() -> None:
    options = _parse_options()
    if options.markdown:
        print(markdown(read_lines(options.results), options.code))
        return
    with tempfile.TemporaryDirectory() as folder:
        work = options.runs or Path(folder)
        work.mkdir(parents=True, exist_ok=True)
        for image_set, count in _chosen(options, work):
            _measure(image_set, count, options, work)
    print(markdown(read_lines(options.results), options.code))


def _parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, nargs="?", help="a single set: folder or zip of annotations")
    parser.add_argument("--train", type=Path, help="names of the training images of DATA")
    parser.add_argument("--test", type=Path, help="names of the test images of DATA")
    parser.add_argument("--name", help="of DATA in the results")
    parser.add_argument("--limit", type=int, help="train on so many images of DATA only")
    parser.add_argument("--corpus", type=Path, metavar="FOLDER", help="folder of sets; the scenes are always added")
    parser.add_argument("--sets", nargs="+", metavar="NAME", help="only these sets")
    parser.add_argument("--count", nargs="+", default=["30", "all"], metavar="N", help="training images: 30 all")
    parser.add_argument("--model", default="auto")
    parser.add_argument("--base-model", help="default: that of `preannotate train`")
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--arguments", default="", help="further arguments of the trainer")
    parser.add_argument("--runs", type=Path, metavar="FOLDER", help="keep runs here, and continue those that are there")
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="FILE", help="default: %(default)s")
    parser.add_argument("--code", help="what the results stand for (default: the commit of the trainer)")
    parser.add_argument("--markdown", action="store_true", help="print the table of what was measured, and end")
    options = parser.parse_args()
    if options.data and not (options.train and options.test and options.name):
        parser.error("DATA without --train, --test and --name; expected all of them.")
    unknown = [count for count in options.count if count != "all" and not count.isdigit()]
    if unknown:
        parser.error(f"--count: {unknown[0]}; expected whole numbers or all.")
    options.code = options.code or code_version()
    return options


def code_version() -> str:
    """Return the commit that last changed what trains and scores, with a "+" if it has been changed since."""
    checkout = Path(__file__).parents[1]
    try:
        git = ["git", "-C", str(checkout)]
        commit = subprocess.check_output([*git, "log", "-1", "--format=%h", "--", *_CODE], text=True).strip()
        changed = subprocess.check_output([*git, "status", "--porcelain", "--", *_CODE], text=True).strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return f"{commit}+" if changed else commit


def _chosen(options: argparse.Namespace, work: Path) -> list[tuple[ImageSet, int | None]]:
    if options.data:
        train, test = (tuple(path.read_text(encoding="utf-8").split()) for path in (options.train, options.test))
        return [(ImageSet(options.name, options.data, train, options.data, test), options.limit)]
    sets = find_sets(options.corpus, work, options.sets)
    counts = [None if count == "all" else int(count) for count in options.count]
    return [(one, count) for count in counts for one in sets]


def _measure(image_set: ImageSet, count: int | None, options: argparse.Namespace, work: Path) -> None:
    """Measure the seeds that are missing; each is written at once."""
    names = image_set.first(count)
    key = {
        "name": image_set.name,
        "training_images": len(names),
        "asked": options.model if options.base_model is None else f"{options.model} from {options.base_model}",
        "minutes": options.minutes,
        "arguments": options.arguments,
        "code": options.code,
    }
    arguments = ",".join(filter(None, (f"max_minutes={options.minutes:g}", options.arguments)))
    training = Training(
        *(image_set.train, names, image_set.test, image_set.test_names),
        *(options.model, options.base_model, arguments),
    )
    digest = hashlib.sha256(json.dumps(key).encode()).hexdigest()[:8]  # another way of training has other runs
    for seed in options.seeds:
        if seed in _find(read_lines(options.results), key).get("seeds", []):
            continue
        print(f"{image_set.name}, {len(names)} images, seed {seed} …", file=sys.stderr, flush=True)
        measured = train_and_evaluate(training, seed, work / f"{image_set.name}-{len(names)}-{seed}-{digest}")
        lines = read_lines(options.results)  # again: another process may have written meanwhile
        line = _find(lines, key)
        if not line:
            line.update(key, machine=describe_machine())
            lines.append(line)
        _add(line, seed, measured)
        replace_text(options.results, json.dumps(lines, indent=1) + "\n")
        print(f"  {_scores(line, -1)} after {measured['seconds']:.0f} s", file=sys.stderr, flush=True)


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Return the lines of a file of results; none if it does not exist."""
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else []


def _find(lines: Sequence[dict[str, Any]], key: dict[str, Any]) -> dict[str, Any]:
    return next((line for line in lines if all(line.get(name) == key[name] for name in _KEY)), {})


def _add(line: dict[str, Any], seed: int, measured: dict[str, Any]) -> None:
    line["seeds"] = [*line.get("seeds", []), seed]
    for name, source in _BY_SEED.items():
        line[name] = [*line.get(name, []), measured[source]]
    line.update({name: measured[name] for name in _OF_ALL})
    for name in ("map50", "mean_ap"):
        line[f"{name}_mean"] = round(statistics.mean(line[name]), 4)
        line[f"{name}_spread"] = round(max(line[name]) - min(line[name]), 4)


def markdown(lines: Sequence[dict[str, Any]], code: str) -> str:
    """Return a table for each way in which this code was measured, with the means over the sets below it."""
    tables: dict[str, list[dict[str, Any]]] = {}
    for line in lines:
        if line.get("code") == code:
            more = f", `{line['arguments']}`" if line["arguments"] else ""
            tables.setdefault(f"`--model {line['asked']}`, {line['minutes']:g} minutes{more}", []).append(line)
    if not tables:
        return f"nothing was measured with {code} yet"
    return "\n\n".join(f"{title}, code {code}:\n\n{_table(of_title)}" for title, of_title in tables.items())


def _table(lines: Sequence[dict[str, Any]]) -> str:
    header = ("data (test images, boxes)", "training images", "model, base weights, input", "mAP50", "mAP")
    header += ("images shown", "minutes", "peak memory")
    rows = [header, ("---",) * len(header), *map(_row, lines)]
    for kind, few in (("30 images", True), ("all images", False)):
        group = [line for line in lines if (line["training_images"] <= _FEW) == few]
        if len(group) > 1:
            rows.append((f"**mean over {len(group)} sets**", kind, "", *_means(group), "", "", ""))
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


_FEW = 30


def _row(line: dict[str, Any]) -> tuple[str, ...]:
    width, height = line["input_size"]
    return (
        f"{line['name']} ({line['test_images']}, {line['test_boxes']})",
        str(line["training_images"]),
        f"`{line['model']}`, {line['base_model']}, {width} x {height}",
        *(_with_spread(line[name]) for name in ("map50", "mean_ap")),
        _range(line["images_shown"], 1, ".0f"),
        _range(line["train_seconds"], 60, ".1f"),
        f"{max(line['peak_memory_gb']):.1f} GB",
    )


def _means(group: Sequence[dict[str, Any]]) -> tuple[str, str]:
    """Return the means over sets, seed by seed, so that their spread is that of the mean; sets may lack seeds."""
    seeds = set.intersection(*(set(line["seeds"]) for line in group))
    means = []
    for name in ("map50", "mean_ap"):
        by_seed = [
            statistics.mean(line[name][line["seeds"].index(seed)] for line in group) for seed in sorted(seeds)
        ] or [statistics.mean(line[f"{name}_mean"] for line in group)]
        means.append(_with_spread(by_seed))
    return means[0], means[1]


def _with_spread(values: Sequence[float]) -> str:
    mean = f"**{statistics.mean(values):.3f}**"
    return mean if len(values) == 1 else f"{mean} ({', '.join(f'{value:.3f}' for value in values)})"


def _range(values: Sequence[float], unit: float, form: str) -> str:
    low, high = (format(value / unit, form) for value in (min(values), max(values)))
    return low if low == high else f"{low} to {high}"


def _scores(line: dict[str, Any], index: int) -> str:
    from preannotate.core.text import format_scores

    return format_scores(line["map50"][index], line["mean_ap"][index])


if __name__ == "__main__":
    main()
