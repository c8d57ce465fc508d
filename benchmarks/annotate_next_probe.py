"""What to annotate next, in seconds: linear classifiers on frozen features in place of trainings.

    python benchmarks/annotate_next_probe.py --work DIR --data FOLDER [--sets raccoon …] [--seeds 4] [--orders rank …]

As annotate_next.py, with 10 to 60 images of each set, but the model is a logistic regression on what the head of
yolox-nano with its COCO weights computes at each cell. It says which objects lie where, without boxes: a detection is
right if its cell lies in an object of its label that no better one lies in. The figures are mAP by that measure, which
compares orders with many seeds; they are not those of a trained detector. Written to
benchmarks/results/annotate_next_probe.json, the means over 20 to 60 images and the difference to random images with its
standard error.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from annotate_next import FIRST, LAST, ORDERS, STEP, Pool
from corpus import ImageSet, find_sets
from results import describe_machine

from preannotate.active_learning.frame_inference import MIN_SCORE
from preannotate.active_learning.ranking.diversity import describe
from preannotate.core.files import read_json, write_json
from runtime.detector import Detection

RESULTS = Path(__file__).parent / "results" / "annotate_next_probe.json"
SIDE, STRIDES = 416, (8, 16, 32)
# Objects up to these sides, in input pixels, belong to the cells of a stride.
LARGEST = (64, 128, SIDE)
THRESHOLD = 0.4
NEGATIVES, HARD_NEGATIVES, PENALTY = 150, 40, 10.0


@dataclass(frozen=True)
class Features:
    """Images of a set; the first `training` ones are to choose from, the others to test on.

    Attributes:
        cells: (N, A, D) float32, what the network computes at each cell, standardised for each stride.
        centers: (A, 2) in input pixels.
        strides: (A,).
    """

    labels: Sequence[str]
    training: int
    boxes: Sequence[np.ndarray]
    class_ids: Sequence[np.ndarray]
    descriptors: Sequence[np.ndarray]
    cells: np.ndarray
    centers: np.ndarray
    strides: np.ndarray


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--sets", nargs="+")
    parser.add_argument("--orders", nargs="+", choices=ORDERS, default=list(ORDERS))
    parser.add_argument("--seeds", type=int, default=4)
    options = parser.parse_args()
    for one in find_sets(options.data, options.work, options.sets):
        probe = Probe(extract(one, options.work))
        curves = {
            order: [probe.curve(order, seed) for seed in range(options.seeds)]
            for order in dict.fromkeys(["random", *options.orders])
        }
        chance = np.mean(curves["random"], axis=1)
        rows = {}
        for order, values in curves.items():
            gain = np.mean(values, axis=1) - chance
            rows[order] = {
                "map": [round(float(value), 3) for value in np.mean(values, axis=0)],
                "mean": round(float(np.mean(values)), 3),
                "gain": round(float(gain.mean()), 3),
                "standard_error": round(float(gain.std(ddof=1) / np.sqrt(len(gain))), 3),
            }
            print(one.name, order, rows[order], file=sys.stderr, flush=True)
        kept = read_json(RESULTS) or {"sets": {}}
        kept["sets"][one.name] = {"seeds": options.seeds, "orders": rows}
        write_json(RESULTS, kept | {"machine": describe_machine()})


def extract(images: ImageSet, work: Path) -> Features:
    """Run the network on all images of a set."""
    import keras

    from trainer import base_weights, datasets
    from trainer.augment import letterbox_example
    from trainer.input_pipeline import ImageCache
    from trainer.models import MODELS
    from trainer.models.yolox.architecture import HEAD

    store = work / "images" / images.name
    train = datasets.load_dataset([images.train], store, only=images.train_names)
    test = datasets.load_dataset([images.test], store, only=images.test_names, labels=train.labels)
    samples = [*train.samples, *test.samples]
    family = MODELS["yolox-nano"]
    backbone = family.build_backbone(input_size=(SIDE, SIDE), alpha=1.0)
    network = family.build(num_classes=len(train.labels), input_size=(SIDE, SIDE), aspects=(1.0,), backbone=backbone)
    base_weights.load(network, base_weights.resolve("coco", alpha=None, family=family), family, train.labels)
    layers = [f"{HEAD}.{kind}_preds.{level}" for level in range(len(STRIDES)) for kind in ("cls", "reg")]
    tensors = [network.keras_model.get_layer(name).input for name in layers]
    model = keras.Model(network.keras_model.input, tensors)
    cache = ImageCache(samples, (SIDE, SIDE), exact=True)
    levels: list[list[np.ndarray]] = [[] for _ in STRIDES]
    boxes, class_ids = [], []
    for index in range(len(samples)):
        pixels, of_image, ids, _ = letterbox_example(cache[index], (SIDE, SIDE))
        found = [array.numpy()[0] for array in model(pixels[None], training=False)]
        for level in range(len(STRIDES)):
            both = np.concatenate(found[2 * level : 2 * level + 2], axis=-1)
            levels[level].append(both.reshape(-1, both.shape[-1]))
        objects = ids >= 0  # the others are places that do not count
        boxes.append(of_image[objects])
        class_ids.append(ids[objects])
    cells = [np.array(level, np.float32) for level in levels]
    cells = [(level - level.mean((0, 1))) / (level.std((0, 1)) + 1e-3) for level in cells]
    sides = [SIDE // stride for stride in STRIDES]
    grids = [np.stack(np.meshgrid(np.arange(side), np.arange(side)), -1).reshape(-1, 2) + 0.5 for side in sides]
    return Features(
        train.labels,
        len(train.samples),
        boxes,
        class_ids,
        [describe(sample.image.read_bytes()) for sample in samples],
        np.concatenate(cells, axis=1),
        np.concatenate([grid * stride for grid, stride in zip(grids, STRIDES, strict=True)]),
        np.concatenate([np.full(side * side, stride) for side, stride in zip(sides, STRIDES, strict=True)]),
    )


class Probe:
    """Logistic regressions on the cells of annotated images."""

    def __init__(self, features: Features) -> None:
        self._features = features
        self._positive, self._inside = zip(*map(self._match, features.boxes, features.class_ids), strict=True)

    def curve(self, order: str, seed: int) -> list[float]:
        """MAP on the test images with 20, 30, … chosen images."""
        features = self._features
        chosen = [int(image) for image in np.random.default_rng(seed).permutation(features.training)[:FIRST]]
        weights, values = self._fit(chosen), []
        while len(chosen) < min(LAST, features.training):
            detections = {
                image: self._detections(weights, image) for image in range(features.training) if image not in chosen
            }
            annotated = {image: [features.labels[one] for one in features.class_ids[image]] for image in chosen}
            thresholds = (THRESHOLD,) * len(features.labels)
            pool = Pool(detections, features.descriptors[: features.training], thresholds, annotated, features.labels)
            chosen += ORDERS[order](pool, STEP, seed)
            weights = self._fit(chosen)
            values.append(self._map(weights))
        return values

    def _match(self, boxes: np.ndarray, class_ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Cells around the middle of each object, (P, 2) as (cell, class); and (A,) whether a cell is in an object."""
        features, found = self._features, [np.zeros((0, 2), int)]
        inside = np.zeros(len(features.centers), bool)
        for box, class_id in zip(boxes, class_ids, strict=True):
            inside |= ((features.centers >= box[:2] - 1) & (features.centers <= box[2:] + 1)).all(axis=1)
            side = np.sqrt(max((box[2] - box[0]) * (box[3] - box[1]), 1))
            stride = next(stride for stride, most in zip(STRIDES, LARGEST, strict=True) if side <= most)
            away = np.abs(features.centers - (box[:2] + box[2:]) / 2).max(axis=1)
            cells = np.flatnonzero((away <= stride) & (features.strides == stride))
            found.append(np.stack([cells, np.full(len(cells), class_id)], axis=1))
        return np.concatenate(found), inside

    def _fit(self, images: Sequence[int]) -> np.ndarray:
        """(D + 1, K): with random negatives, then again with the worst of all."""
        features, rng = self._features, np.random.default_rng(1)
        classes = len(features.labels)
        rows, targets = [], []
        for image in images:
            cells, ids = self._positive[image].T
            outside = np.flatnonzero(~self._inside[image])
            outside = rng.choice(outside, min(len(outside), NEGATIVES), replace=False)
            rows += [features.cells[image, cells], features.cells[image, outside]]
            targets += [np.eye(classes)[ids], np.zeros((len(outside), classes))]
        weights = _logistic(rows, targets, np.zeros((features.cells.shape[2] + 1, classes)))
        for image in images:
            scores = self._scores(weights, image).max(axis=1)
            scores[self._inside[image]] = -1
            rows.append(features.cells[image, np.argsort(-scores)[:HARD_NEGATIVES]])
            targets.append(np.zeros((HARD_NEGATIVES, classes)))
        return _logistic(rows, targets, weights)

    def _scores(self, weights: np.ndarray, image: int) -> np.ndarray:
        """(A, K) in [0, 1]."""
        logits = self._features.cells[image] @ weights[:-1] + weights[-1]
        return 1 / (1 + np.exp(-np.clip(logits, -50, 50)))

    def _peaks(self, weights: np.ndarray, image: int) -> tuple[list[int], np.ndarray]:
        """Cells whose best score is above that of their surroundings, best first; and the scores of all."""
        features = self._features
        scores = self._scores(weights, image)
        best = scores.max(axis=1)
        kept: list[int] = []
        for cell in np.argsort(-best)[:300]:
            if best[cell] <= MIN_SCORE or len(kept) == 60:
                break
            away = np.abs(features.centers[cell] - features.centers[kept]).max(axis=1)
            if (away > np.maximum(1.5 * features.strides[cell], 1.2 * features.strides[kept])).all():
                kept.append(int(cell))
        return kept, scores

    def _detections(self, weights: np.ndarray, image: int) -> list[Detection]:
        cells, scores = self._peaks(weights, image)
        found = []
        for cell in cells:
            (x, y), half = self._features.centers[cell], 1.5 * self._features.strides[cell]
            found += [
                Detection(
                    self._features.labels[k], int(k), float(scores[cell, k]), (x - half, y - half, x + half, y + half)
                )
                for k in np.flatnonzero(scores[cell] > MIN_SCORE)
            ]
        return sorted(found, key=lambda one: -one.score)

    def _map(self, weights: np.ndarray) -> float:
        """See the top of the file."""
        features = self._features
        test = range(features.training, len(features.boxes))
        peaks = {image: self._peaks(weights, image) for image in test}
        precisions = []
        for k in range(len(features.labels)):
            hits, total = [], 0
            for image, (cells, scores) in peaks.items():
                objects = features.boxes[image][features.class_ids[image] == k]
                total += len(objects)
                free = np.ones(len(objects), bool)
                for cell in sorted(cells, key=lambda cell: -scores[cell, k]):
                    center = features.centers[cell]
                    within = ((center >= objects[:, :2] - 2) & (center <= objects[:, 2:] + 2)).all(axis=1) & free
                    if within.any():
                        free[within.argmax()] = False
                    hits.append((scores[cell, k], bool(within.any())))
            if total:
                precisions.append(_average_precision(hits, total))
        return float(np.mean(precisions))


def _average_precision(hits: Sequence[tuple[float, bool]], total: int) -> float:
    right = np.array([hit for _, hit in sorted(hits, key=lambda one: -one[0])], bool)
    precision = right.cumsum() / np.arange(1, len(right) + 1)
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    return float((precision * right).sum() / total)


def _logistic(rows: Sequence[np.ndarray], targets: Sequence[np.ndarray], weights: np.ndarray) -> np.ndarray:
    """Fit (D + 1, K) from `weights` on by Newton's method with steps that are halved until the loss falls."""
    x = np.concatenate(rows).astype(np.float64)
    x, y = np.concatenate([x, np.ones((len(x), 1))], axis=1), np.concatenate(targets)
    result = weights.copy()

    def loss(vector: np.ndarray, target: np.ndarray) -> float:
        logits = np.clip(x @ vector, -50, 50)
        return float(np.logaddexp(0, logits).sum() - target @ logits + PENALTY / 2 * vector @ vector)

    for k in range(y.shape[1]):
        before = loss(result[:, k], y[:, k])
        for _ in range(7):
            score = 1 / (1 + np.exp(-np.clip(x @ result[:, k], -50, 50)))
            gradient = x.T @ (score - y[:, k]) + PENALTY * result[:, k]
            curvature = (x * np.maximum(score * (1 - score), 1e-3)[:, None]).T @ x + PENALTY * np.eye(x.shape[1])
            step = np.linalg.solve(curvature, gradient)
            while (after := loss(result[:, k] - step, y[:, k])) > before and np.abs(step).max() > 1e-4:
                step /= 2
            if after > before:
                break
            result[:, k] -= step
            if before - after < 0.1:
                break
            before = after
    return result


if __name__ == "__main__":
    main()
