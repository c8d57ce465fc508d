"""Whether averaging over a mirror image and a second scale lowers the cost of correction.

    python benchmarks/test_time_averaging.py runs/NAME DATA --images eval_test.txt

A run's exported network is asked about each image as it is (`plain`), about the image and its mirror image (`mirror`),
and about both at three quarters of the scale as well (`mirror and scale`). Detections of several views become one
by weighted box fusion (https://arxiv.org/abs/1910.13302), or by suppression of all but the best. For each of these
ways thresholds are chosen anew on the run's frozen validation images; the seconds of corrections are those on images
that neither training nor the choice of thresholds has seen. `--name` appends to
benchmarks/results/test_time_averaging.json.
"""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from results import describe_machine, model_parser, read_names, report

from evaluation import ground_truth, scores
from evaluation.corrections import CorrectionCosts, Corrections, corrections_by_image
from evaluation.ground_truth import GroundTruth
from evaluation.postprocess import choose_postprocess
from preannotate.model_evaluation.evaluate import load_ground_truth
from runtime import engines
from runtime.boxes import iou
from runtime.detector import Detection, Detector
from runtime.image import DecodedImage
from runtime.manifest import PADDING, Manifest

SCALE = 0.75
# Detections of one class that overlap more are of one object.
SAME_OBJECT = 0.55

Views = list[list[Detection]]
Merge = Callable[[Views], list[Detection]]


def main() -> None:
    options = model_parser(__doc__.splitlines()[0]).parse_args()
    export = options.model / "export"
    manifest = Manifest.read(export)
    detector = Detector(engines.load("tensorflow", export), manifest)
    validation = ground_truth.read(export / "validation")
    with tempfile.TemporaryDirectory() as store:
        test = load_ground_truth([options.data], Path(store), manifest.labels, only=read_names(options.images))
        seen = {name: [_all_views(detector, truth), truth] for name, truth in (("val", validation), ("test", test))}
    figures = {
        f"{name}{', ' + merge.__name__ if count > 1 else ''}": _measure(manifest, seen, count, merge)
        for name, count in (("plain", 1), ("mirror", 2), ("mirror and scale", 4))
        for merge in ((fuse, suppress) if count > 1 else (suppress,))
    }
    report(
        {"model": manifest.family, "ways": figures, "machine": describe_machine()},
        "test_time_averaging.json",
        options.name,
    )


def _all_views(detector: Detector, truth: GroundTruth) -> list[Views]:
    return [_views(detector, detector.decode(truth.data(image))) for image in truth.images]


def _views(detector: Detector, image: DecodedImage) -> Views:
    """Return the detections in the image, its mirror image, and both at `SCALE`, all in the frame of the image."""
    width, height = image.size
    wide, high = round(image.pixels.width / SCALE), round(image.pixels.height / SCALE)
    found = []
    for scaled in (False, True):
        for mirrored in (False, True):
            pixels, size = (ImageOps.mirror(image.pixels) if mirrored else image.pixels), image.size
            if scaled:
                canvas = Image.new("RGB", (wide, high), PADDING)
                canvas.paste(pixels)
                size = (round(width * wide / image.pixels.width), round(height * high / image.pixels.height))
                pixels = canvas
            detections = detector.detect(DecodedImage(pixels, size), threshold=scores.MIN_SCORE)
            moved = [_moved(one, width, height, mirrored=mirrored) for one in detections]
            # Beside the smaller image there is nothing.
            found.append([one for one in moved if one.box[2] - one.box[0] > 1 and one.box[3] - one.box[1] > 1])
    return found


def _moved(one: Detection, width: int, height: int, *, mirrored: bool) -> Detection:
    x1, y1, x2, y2 = one.box
    x1, x2 = (width - x2, width - x1) if mirrored else (x1, x2)
    box = (max(x1, 0.0), max(y1, 0.0), min(x2, float(width)), min(y2, float(height)))
    return Detection(one.label, one.class_id, one.score, box)


def fuse(views: Views) -> list[Detection]:
    """Return the means of boxes, weighted by their scores; a score is the mean over all views, 0 where it is missed."""
    return _merge(views, lambda boxes, weights: (weights @ boxes / weights.sum(), weights.sum() / len(views)))


def suppress(views: Views) -> list[Detection]:
    """Return the best-scored of the detections that are of one object."""
    return _merge(views, lambda boxes, weights: (boxes[0], weights[0]))


def _merge(views: Views, combine: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, float]]) -> list[Detection]:
    found = sorted((one for view in views for one in view), key=lambda one: -one.score)
    view_of = {id(one): number for number, view in enumerate(views) for one in view}
    merged, used = [], set()
    boxes = np.array([one.box for one in found], np.float32).reshape(-1, 4)
    overlaps = iou(boxes, boxes)
    for row, first in enumerate(found):
        if row in used:
            continue
        members: dict[int, int] = {}  # the best of each view
        for other in np.flatnonzero(overlaps[row] >= SAME_OBJECT):
            view = view_of[id(found[other])]
            if other not in used and found[other].class_id == first.class_id and view not in members:
                members[view] = int(other)
                used.add(int(other))
        used.add(row)
        rows = sorted(members.values())
        box, score = combine(boxes[rows], np.array([found[r].score for r in rows]))
        merged.append(Detection(first.label, first.class_id, float(score), tuple(map(float, box))))
    return sorted(merged, key=lambda one: -one.score)


def _measure(manifest: Manifest, seen: dict, count: int, merge: Merge) -> dict:
    (val, val_truth), (test, test_truth) = seen["val"], seen["test"]
    costs = CorrectionCosts()

    def detections(images: Sequence[Views]) -> list[list[Detection]]:
        return [merge(views[:count]) if count > 1 else views[0] for views in images]

    chosen = choose_postprocess(manifest.labels, val_truth.images, detections(val), costs).postprocess
    found = scores.score(manifest.labels, test_truth.images, detections(test))
    seconds = [
        sum(corrections_by_image(truth.images, detections(images), chosen), Corrections()).seconds(costs)
        for images, truth in ((val, val_truth), (test, test_truth))
    ]
    return {
        "map50": round(found.map50, 4),
        "mean_ap": round(found.mean_ap, 4),
        "validation_seconds": round(seconds[0], 1),
        "test_seconds": round(seconds[1], 1),
    }


if __name__ == "__main__":
    main()
