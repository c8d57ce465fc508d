"""What to annotate next: `rank` against random frames and against plain confidence.

    python benchmarks/annotate_next.py --work DIR [--data FOLDER] [--sets raccoon …] [--seeds 0 1 2] [--minutes 8]
    python benchmarks/annotate_next.py --work DIR --write              # the results and the table

Begins with 10 images of each set of the corpus (corpus.py), adds 10 at a time to 60 in the order under test, and trains
on them as `preannotate train` does; every order begins with the same images. mAP is that of test images, over all
classes of the set: a class that no chosen image has counts 0. Everything is kept in DIR, so that a stopped script, or
one with `--minutes`, continues there. `--write` writes benchmarks/results/annotate_next.json.
"""

import argparse
import json
import shutil
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from corpus import ImageSet, find_sets
from results import describe_machine
from trainings import Training, train_and_evaluate

from preannotate.active_learning.frame_inference import MIN_SCORE
from preannotate.active_learning.ranking.diversity import describe
from preannotate.active_learning.ranking.order import AnnotatedFrames, rank_frames
from preannotate.core.files import read_json, write_json
from preannotate.core.text import Table
from runtime.detector import Detection
from trainer import datasets

FIRST, STEP, LAST = 10, 10, 60
RESULTS = Path(__file__).parent / "results" / "annotate_next.json"


@dataclass(frozen=True)
class Pool:
    """Images to choose from, by their numbers.

    Attributes:
        detections: Of a model on each image that is not annotated, down to a low score.
        descriptors: Of all images.
        thresholds: Of the model's classes.
        annotated: Image to its labels, one for each box, of those that are annotated.
        classes: Labels that the model knows.
    """

    detections: Mapping[int, Sequence[Detection]]
    descriptors: Sequence[np.ndarray]
    thresholds: Sequence[float]
    annotated: Mapping[int, Sequence[str]]
    classes: Sequence[str]


# Chooses the next images; the seed is for what is random.
Order = Callable[[Pool, int, int], list[int]]


def rank(pool: Pool, count: int, seed: int) -> list[int]:
    """As `preannotate rank`."""
    boxes = Counter(label for labels in pool.annotated.values() for label in labels)
    annotated = AnnotatedFrames(
        {image: frozenset(labels) for image, labels in pool.annotated.items()},
        {label: boxes[label] for label in pool.classes},
    )
    descriptors = dict(enumerate(pool.descriptors))
    return [one.frame for one in rank_frames(pool.detections, descriptors, pool.thresholds, annotated, top=count)]


def random(pool: Pool, count: int, seed: int) -> list[int]:
    """Any images."""
    rng = np.random.default_rng([seed, len(pool.annotated)])
    return [int(image) for image in rng.permutation(sorted(pool.detections))[:count]]


def confidence(pool: Pool, count: int, seed: int) -> list[int]:
    """Images whose boxes have the least mean score; those without a box above the threshold come first."""

    def mean_score(image: int) -> float:
        shown = [one.score for one in pool.detections[image] if one.score >= pool.thresholds[one.class_id]]
        return statistics.mean(shown) if shown else 0.0

    return sorted(sorted(pool.detections), key=mean_score)[:count]


ORDERS: dict[str, Order] = {"rank": rank, "random": random, "confidence": confidence}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True, help="folder to keep everything in")
    parser.add_argument("--data", type=Path, help="folder of sets (default: drawn scenes alone)")
    parser.add_argument("--sets", nargs="+", help="default: all")
    parser.add_argument("--orders", nargs="+", choices=ORDERS, default=list(ORDERS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--model", default="auto")
    parser.add_argument("--base-model")
    parser.add_argument("--arguments", default="max_minutes=5", help="the same for every training")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="start no training after these")
    parser.add_argument("--write", action="store_true", help="only write the results and print the table")
    options = parser.parse_args()
    if options.write:
        write_results(options.work)
        return
    deadline = time.monotonic() + options.minutes * 60
    for one in find_sets(options.data, options.work, options.sets):
        for seed in options.seeds:
            for order in options.orders:
                if not Curve(one, seed, order, options).extend(deadline):
                    sys.exit("stopped; the same command continues")
    write_results(options.work)


class Curve:
    """Trainings of one order with one seed on one set: with 10 images, 20, and so on."""

    def __init__(self, images: ImageSet, seed: int, order: str, options: argparse.Namespace) -> None:
        self._set, self._seed, self._order, self._options = images, seed, order, options
        self._folder = options.work / "curves" / images.name / f"seed-{seed}"
        store = options.work / "images" / images.name
        self._samples = datasets.load_dataset([images.train], store, only=images.train_names).samples
        self._labels = datasets.load_dataset([images.train], store, only=images.train_names).labels

    def extend(self, deadline: float) -> bool:
        """Train until all is done, or until there is no time for another training; return whether all is done."""
        chosen = [int(image) for image in np.random.default_rng(self._seed).permutation(len(self._samples))[:FIRST]]
        while True:
            last = len(chosen) >= min(LAST, len(self._samples))
            # The first training is the same for all orders.
            place = self._folder / ("first" if len(chosen) == FIRST else f"{self._order}-{len(chosen)}")
            kept = read_json(place.with_suffix(".json")) or {"images": chosen, "next": {}}
            if "map50" not in kept or (not last and self._order not in kept["next"]):
                if time.monotonic() > deadline:
                    return False
                kept |= self._train(chosen, place)
                if not last:
                    pool = self._pool(chosen, place)
                    orders = ORDERS if len(chosen) == FIRST else [self._order]
                    kept["next"] = {name: ORDERS[name](pool, STEP, self._seed) for name in orders}
                write_json(place.with_suffix(".json"), kept)
                shutil.rmtree(place)
            if last:
                return True
            chosen = [*chosen, *kept["next"][self._order]]

    def _train(self, chosen: Sequence[int], run: Path) -> dict:
        images, options = self._set, self._options
        names = [self._samples[image].name for image in chosen]
        training = Training(
            images.train,
            names,
            images.test,
            images.test_names,
            options.model,
            options.base_model,
            options.arguments,
        )
        scores = train_and_evaluate(training, self._seed, run)
        known = json.loads((run / "config.json").read_text(encoding="utf-8"))["labels"]
        for name in ("map50", "mean_ap"):
            scores[name] = round(scores[name] * len(known) / len(self._labels), 4)
        print(images.name, self._seed, self._order, len(chosen), scores["map50"], file=sys.stderr, flush=True)
        return scores

    def _pool(self, chosen: Sequence[int], run: Path) -> Pool:
        from builder.variants import GRAPHS
        from runtime import engines
        from runtime.detector import Detector
        from runtime.manifest import Manifest

        export, graph = run / "export", GRAPHS["saved_model"]
        manifest = Manifest.read(export)
        detector = Detector(engines.load(graph.engine, export / graph.engine_folder), manifest)
        pool = [image for image in range(len(self._samples)) if image not in chosen]
        contents = [sample.image.read_bytes() for sample in self._samples]
        return Pool(
            {image: detector.detect(detector.decode(contents[image]), threshold=MIN_SCORE) for image in pool},
            [describe(content) for content in contents],
            manifest.postprocess.thresholds,
            {image: [self._labels[one] for one in self._samples[image].class_ids if one >= 0] for image in chosen},
            manifest.labels,
        )


def write_results(work: Path) -> None:
    """Write what is there of all curves, and print the table."""
    rows: dict[tuple[str, str], dict[int, list[float]]] = {}
    for file in sorted((work / "curves").glob("*/seed-*/*.json")):
        kept, order = read_json(file), file.stem.rpartition("-")[0]
        for name in ORDERS if file.stem == "first" else [order]:
            counts = rows.setdefault((file.parents[1].name, name), {})
            counts.setdefault(len(kept["images"]), []).append(kept["map50"])
    content = [
        {"set": name, "order": order, "map50": {str(count): values for count, values in sorted(counts.items())}}
        for (name, order), counts in sorted(rows.items())
    ]
    write_json(RESULTS, {"curves": content, "machine": describe_machine()})
    counts = range(FIRST, LAST + 1, STEP)
    print(
        Table(
            ("set", "order", *map(str, counts)),
            [(row["set"], row["order"], *(_mean(row["map50"].get(str(count))) for count in counts)) for row in content],
        ).markdown()
    )


def _mean(values: Sequence[float] | None) -> str:
    return "" if not values else f"{statistics.mean(values):.3f} ({len(values)})"


if __name__ == "__main__":
    main()
