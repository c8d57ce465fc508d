"""COCO's average precision, computed by pycocotools.

Reference: https://cocodataset.org/#detection-eval; at most 100 detections an image, as there.
"""

import contextlib
import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from evaluation.ground_truth import AnnotatedImage, GroundTruth
from runtime.detector import Detection, Detector

# Detections below this score cannot move the average precision and only cost time.
MIN_SCORE = 0.01


@dataclass(frozen=True)
class Scores:
    """Average precision over classes, each in [0, 1]; -1 for a class without ground truth.

    Attributes:
        mean_ap: At IoU 0.50:0.05:0.95; `map50` at 0.50, `map75` at 0.75.
        ap50: Of each label, at IoU 0.50; `ap` at 0.50:0.05:0.95.
    """

    mean_ap: float
    map50: float
    map75: float
    ap50: dict[str, float]
    ap: dict[str, float]
    images: int
    boxes: int

    def to_json(self) -> dict[str, object]:
        """Plain JSON."""
        return asdict(self)


def detect_all(detector: Detector, truth: GroundTruth) -> list[list[Detection]]:
    """What a detector finds on each image, down to `MIN_SCORE`."""
    return [detector.detect(detector.decode(truth.data(image)), threshold=MIN_SCORE) for image in truth.images]


def score(labels: Sequence[str], images: Sequence[AnnotatedImage], detections: Sequence[Sequence[Detection]]) -> Scores:
    """Compare detections with ground truth."""
    truth = _coco(labels, images)
    results = [
        {
            "image_id": image_id,
            "category_id": detection.class_id + 1,
            "bbox": _xywh(detection.box),
            "score": detection.score,
        }
        for image_id, found in enumerate(detections, start=1)
        for detection in found
    ]
    boxes = sum(len(image.boxes) for image in images)
    if not results or not boxes:
        return Scores(0.0, 0.0, 0.0, dict.fromkeys(labels, 0.0), dict.fromkeys(labels, 0.0), len(images), boxes)
    with contextlib.redirect_stdout(io.StringIO()):  # pycocotools prints its progress
        evaluation = COCOeval(truth, truth.loadRes(results), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
    # precision: (IoU thresholds, recalls, classes, areas, limits); the first area is "all", the last limit 100.
    precision = evaluation.eval["precision"][:, :, :, 0, -1]
    return Scores(
        mean_ap=_mean(precision),
        map50=_mean(precision[0]),
        map75=_mean(precision[5]),
        ap50={label: _mean(precision[0, :, class_id]) for class_id, label in enumerate(labels)},
        ap={label: _mean(precision[:, :, class_id]) for class_id, label in enumerate(labels)},
        images=len(images),
        boxes=boxes,
    )


def _coco(labels: Sequence[str], images: Sequence[AnnotatedImage]) -> COCO:
    annotations: list[dict[str, object]] = []
    for image_id, image in enumerate(images, start=1):
        for box, class_id in zip(image.boxes, image.class_ids, strict=True):
            _, _, width, height = bbox = _xywh(box)
            ids = {"id": len(annotations) + 1, "image_id": image_id, "category_id": int(class_id) + 1}
            annotations.append({**ids, "bbox": bbox, "area": width * height, "iscrowd": 0})
    coco = COCO()
    coco.dataset = {
        "info": {},
        "images": [
            {"id": image_id, "width": image.size[0], "height": image.size[1]}
            for image_id, image in enumerate(images, start=1)
        ],
        "categories": [{"id": index + 1, "name": label} for index, label in enumerate(labels)],
        "annotations": annotations,
    }
    with contextlib.redirect_stdout(io.StringIO()):
        coco.createIndex()
    return coco


def _xywh(box: Sequence[float]) -> list[float]:
    x1, y1, x2, y2 = (float(value) for value in box)
    return [x1, y1, x2 - x1, y2 - y1]


def _mean(precision: np.ndarray) -> float:
    known = precision[precision > -1]
    return float(known.mean()) if known.size else -1.0
