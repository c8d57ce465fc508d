"""The confusion matrix of shown detections, with background."""

from collections.abc import Sequence

import numpy as np

from evaluation.corrections import compare_image, reaches_threshold
from evaluation.ground_truth import AnnotatedImage
from runtime.detector import Detection


def confusion_matrix(
    classes: int,
    images: Sequence[AnnotatedImage],
    detections: Sequence[Sequence[Detection]],
    thresholds: Sequence[float],
) -> np.ndarray:
    """Count objects and shown detections, paired as in `outcomes`.

    Returns:
        int64 (K + 1, K + 1): rows are annotated classes, columns shown ones. The last row holds false detections,
        the last column missed objects.
    """
    matrix = np.zeros((classes + 1, classes + 1), int)
    for image, found in zip(images, detections, strict=True):
        compared = compare_image(image, found)
        outcome = compared.outcome(reaches_threshold(found, thresholds))
        for pair in outcome.pairs:
            matrix[image.class_ids[pair.gt], compared.class_ids[pair.detection]] += 1
        for row in outcome.false:
            matrix[classes, compared.class_ids[row]] += 1
        for row in outcome.missed:
            matrix[image.class_ids[row], classes] += 1
    return matrix
