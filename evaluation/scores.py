"""COCO's average precision of boxes and of masks, computed by pycocotools.

Reference: https://cocodataset.org/#detection-eval; at most 100 detections an image, as there.
"""

import contextlib
import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from evaluation.ground_truth import AnnotatedImage, GroundTruth, filled_box
from runtime.detector import Detection, Detector
from runtime.masks import intersection

# Detections below this score cannot move the average precision and only cost time.
MIN_SCORE = 0.01


@dataclass(frozen=True)
class Scores:
    """Average precision of boxes or of masks over classes, each in [0, 1]; -1 for a class without ground truth.

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
    """Compare the boxes of detections with ground truth."""
    boxes = sum(len(image.boxes) for image in images)
    return _score(COCOeval, labels, images, detections, boxes)


def score_masks(
    labels: Sequence[str], images: Sequence[AnnotatedImage], detections: Sequence[Sequence[Detection]]
) -> Scores | None:
    """Compare the masks of detections with ground truth; `boxes` of the result is the number of annotated masks.

    What was annotated as a box only is neither to be found nor wrong to find: a crowd, in COCO's words. A detection
    without a mask overlaps nothing.

    Returns:
        None if no mask was annotated.
    """
    masks = sum(mask is not None for image in images for mask in image.masks)
    return _score(_MaskEvaluation, labels, images, detections, masks) if masks else None


def of_answers(boxes: Scores, masks: Scores | None) -> Scores:
    """Return the scores by which models are compared: of each label those of what people get and would have to draw.

    Args:
        boxes: Of all labels.
        masks: Of labels that are answered with masks; None if there are none.

    Returns:
        `masks`, and in it those of `boxes` for labels without an annotated mask. `map75`, which no label has by itself,
        is -1 if both are in it.
    """
    if masks is None:
        return boxes
    without = [label for label, ap in boxes.ap.items() if ap >= 0 and masks.ap.get(label, -1.0) < 0]
    if not without:
        return masks
    ap, ap50 = dict(masks.ap), dict(masks.ap50)
    for label in without:
        ap[label], ap50[label] = boxes.ap[label], boxes.ap50[label]
    mean_ap, map50 = (_mean(np.array(list(values.values()))) for values in (ap, ap50))
    return Scores(mean_ap, map50, -1.0, ap50, ap, boxes.images, boxes.boxes)


class _MaskEvaluation(COCOeval):
    """COCO's evaluation with overlaps of `InstanceMask`s: those of pycocotools, without masks of whole images."""

    def computeIoU(self, imgId: int, catId: int) -> Any:  # noqa: N802 as pycocotools has it
        """Return float64 (D, G): of the best-scored detections, with the objects of one class in one image."""
        found, annotated = self._dts[imgId, catId], self._gts[imgId, catId]
        if not found and not annotated:
            return []
        order = np.argsort([-one["score"] for one in found], kind="mergesort")[: self.params.maxDets[-1]]
        masks = [found[row]["instance_mask"] for row in order]
        overlaps = np.zeros((len(masks), len(annotated)))
        for row, mask in enumerate(masks):
            for column, one in enumerate(annotated):
                if mask is not None:
                    common = intersection(mask, one["instance_mask"])
                    either = mask.area if one["iscrowd"] else mask.area + one["instance_mask"].area - common
                    overlaps[row, column] = common / either
        return overlaps


def _score(
    evaluator: type[COCOeval],
    labels: Sequence[str],
    images: Sequence[AnnotatedImage],
    detections: Sequence[Sequence[Detection]],
    objects: int,
) -> Scores:
    of_masks = evaluator is _MaskEvaluation
    truth = _coco(labels, images, of_masks=of_masks)
    results = [
        {
            "image_id": image_id,
            "category_id": detection.class_id + 1,
            "bbox": _xywh(detection.box),
            "score": detection.score,
            **({"instance_mask": detection.mask} if of_masks else {}),
        }
        for image_id, found in enumerate(detections, start=1)
        for detection in found
    ]
    if not results or not objects:
        return Scores(0.0, 0.0, 0.0, dict.fromkeys(labels, 0.0), dict.fromkeys(labels, 0.0), len(images), objects)
    with contextlib.redirect_stdout(io.StringIO()):  # pycocotools prints its progress
        evaluation = evaluator(truth, truth.loadRes(results), "bbox")
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
        boxes=objects,
    )


def _coco(labels: Sequence[str], images: Sequence[AnnotatedImage], *, of_masks: bool) -> COCO:
    annotations: list[dict[str, object]] = []
    for image_id, image in enumerate(images, start=1):
        masks = (image.masks if of_masks else ()) or [None] * len(image.boxes)
        for box, class_id, mask in zip(image.boxes, image.class_ids, masks, strict=True):
            _, _, width, height = bbox = _xywh(box)
            ids = {"id": len(annotations) + 1, "image_id": image_id, "category_id": int(class_id) + 1}
            annotation = {**ids, "bbox": bbox, "area": width * height, "iscrowd": 0}
            if of_masks and mask is None:
                annotation |= {"iscrowd": 1, "instance_mask": filled_box(box)}
            elif mask is not None:
                annotation |= {"area": mask.area, "instance_mask": mask}
            annotations.append(annotation)
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
