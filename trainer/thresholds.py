"""The score from which a detection is worth showing, chosen for each class on the validation images.

The criterion is the best F1 at IoU 0.5: a missed object and a false one cost the annotator about the same.
Of scores that give the same F1 the middle is taken: the validation images are few, and the next photos
will not score exactly the same. A class with too few validation boxes uses the threshold of all classes together.
"""

from collections.abc import Sequence

import numpy as np

from evaluation.ground_truth import AnnotatedImage
from runtime.boxes import iou
from runtime.detector import Detection

LEAST_BOXES = 5
MATCH_IOU = 0.5
# With nothing to choose by, or a choice that would show noise or hide everything.
FALLBACK, LOWEST, HIGHEST = 0.3, 0.1, 0.8


def choose(
    labels: Sequence[str], images: Sequence[AnnotatedImage], detections: Sequence[Sequence[Detection]]
) -> tuple[float, tuple[float, ...]]:
    """Choose thresholds.

    Args:
        labels: Names of the classes.
        images: Ground truth.
        detections: For each image, down to a low score.

    Returns:
        The threshold of all classes together, and one for each class.

    """
    per_class = [_matches(class_id, images, detections) for class_id in range(len(labels))]
    overall = _best_f1(
        np.concatenate([scores for scores, _, _ in per_class]),
        np.concatenate([hits for _, hits, _ in per_class]),
        sum(boxes for _, _, boxes in per_class),
    )
    thresholds = tuple(
        _best_f1(scores, hits, boxes) if boxes >= LEAST_BOXES else overall for scores, hits, boxes in per_class
    )
    return overall, thresholds


def _matches(
    class_id: int, images: Sequence[AnnotatedImage], detections: Sequence[Sequence[Detection]]
) -> tuple[np.ndarray, np.ndarray, int]:
    """Scores (N,), whether each detection hit a box of its own (N,), and the number of boxes."""
    scores, hits, boxes = [], [], 0
    for image, found in zip(images, detections, strict=True):
        gt_boxes = image.boxes[image.class_ids == class_id]
        boxes += len(gt_boxes)
        free = np.ones(len(gt_boxes), bool)
        for detection in sorted((d for d in found if d.class_id == class_id), key=lambda d: -d.score):
            overlaps = np.where(free, iou(np.array([detection.box]), gt_boxes)[0], 0.0)
            hit = bool(overlaps.size and overlaps.max() >= MATCH_IOU)
            if hit:
                free[overlaps.argmax()] = False
            scores.append(detection.score)
            hits.append(hit)
    return np.array(scores), np.array(hits, bool), boxes


def _best_f1(scores: np.ndarray, hits: np.ndarray, boxes: int) -> float:
    """The middle of the scores between which F1 = 2 hits / (detections + boxes) is best."""
    if not hits.any():
        return FALLBACK
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    f1 = 2 * np.cumsum(hits[order]) / (np.arange(1, len(ranked) + 1) + boxes)
    best = int(f1.argmax())
    below = ranked[best + 1] if best + 1 < len(ranked) else 0.0
    return round(float(np.clip((ranked[best] + below) / 2, LOWEST, HIGHEST)), 3)
