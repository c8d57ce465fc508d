"""What mAP is measured against: annotations, or, without any, what the reference network detected.

Against its own detections the reference has a mAP of 1, and that of an artefact shows how far it agrees. That is no
accuracy, and every report says so; but a loss of half a point is as good a limit there.
"""

from dataclasses import dataclass, replace

import numpy as np

from evaluation.ground_truth import AnnotatedImage, GroundTruth
from evaluation.reference import Reference
from runtime.detector import Detection
from runtime.manifest import Manifest

NOT_ANNOTATED = "No image is annotated: accuracy was not measured. mAP50 and mAP are agreement with the reference."


@dataclass(frozen=True)
class AccuracyReference:
    """Images with the objects that detections are compared with.

    Attributes:
        truth: For `scores.score`.
        annotated: Whether people annotated them, so that mAP is accuracy.
    """

    truth: GroundTruth
    annotated: bool


def accuracy_reference(truth: GroundTruth, reference: Reference, manifest: Manifest) -> AccuracyReference:
    """The ground truth if it has boxes, else the reference's detections that reach their class's threshold."""
    if any(len(image.boxes) for image in truth.images):
        return AccuracyReference(truth, annotated=True)
    thresholds = manifest.postprocess.thresholds
    images = tuple(
        _with_boxes(image, [item for item in found if item.score >= thresholds[item.class_id]])
        for image, found in zip(truth.images, reference.detections, strict=True)
    )
    return AccuracyReference(replace(truth, images=images), annotated=False)


def _with_boxes(image: AnnotatedImage, found: list[Detection]) -> AnnotatedImage:
    boxes = np.array([item.box for item in found], np.float32).reshape(-1, 4)
    return replace(image, boxes=boxes, class_ids=np.array([item.class_id for item in found], np.int64))
