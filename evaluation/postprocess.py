"""The postprocessing of a trained model: its thresholds, and whether one object gets one box whatever the class.

An object whose class is in doubt is detected as two classes at one place. To show the better of the two saves looking
at the other and deleting it, but hides the second of two objects that really coincide, such as a person on a bicycle.

Thresholds depend on this choice: with both boxes shown, those of look-alike classes are driven up, to hide the second
box. So they are chosen for each choice by itself, and the two are compared at their own best thresholds.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from evaluation.corrections import CorrectionCosts, Corrections, corrections_by_image
from evaluation.ground_truth import AnnotatedImage
from evaluation.thresholds import choose_thresholds
from preannotate.core.text import plural
from runtime.boxes import iou
from runtime.detector import Detection
from runtime.manifest import Postprocess

# Two boxes that overlap by more are at one place: far above what people draw around two objects side by side.
SAME_PLACE = 0.8
# In the provenance of `model.json`.
SUPPRESSION_KEY = "class_agnostic_suppression"


@dataclass(frozen=True)
class PostprocessChoice:
    """Thresholds and suppression, and why.

    Attributes:
        seconds_with: Of correcting all images with class-agnostic suppression; None if that was not tried.
        seconds_without: The same where boxes of different classes are all shown.
        why: A sentence; empty with one class.
    """

    postprocess: Postprocess
    seconds_with: float | None
    seconds_without: float
    why: str

    @property
    def seconds(self) -> float:
        """Of correcting all images with what was chosen."""
        suppresses = self.postprocess.agnostic_iou_threshold is not None
        return self.seconds_with if suppresses and self.seconds_with is not None else self.seconds_without

    def to_json(self) -> dict[str, Any]:
        """Plain JSON, for the provenance."""
        with_it = None if self.seconds_with is None else round(self.seconds_with, 1)
        return {
            "chosen": self.postprocess.agnostic_iou_threshold is not None,
            "seconds_with": with_it,
            "seconds_without": round(self.seconds_without, 1),
            "why": self.why,
        }


def choose_postprocess(
    labels: Sequence[str],
    images: Sequence[AnnotatedImage],
    detections: Sequence[Sequence[Detection]],
    costs: CorrectionCosts,
    *,
    iou_threshold: float = Postprocess.iou_threshold,
) -> PostprocessChoice:
    """Choose what costs fewest seconds of correction.

    Args:
        labels: Of all classes.
        images: The validation images.
        detections: On each, down to a low score, each class by itself.
        costs: Seconds of corrections.
        iou_threshold: Of the suppression within a class that the detections went through.
    """
    base = Postprocess(0.0, (), iou_threshold=iou_threshold)
    without = _best(labels, images, detections, costs, base)
    if len(labels) < 2:
        return PostprocessChoice(without[0], None, without[1], "")
    coinciding = sum(coinciding_objects(image) for image in images)
    if coinciding:
        pairs = plural(coinciding, "pair")
        why = f"Boxes of different classes on each other are all shown: {pairs} of annotated objects coincide."
        return PostprocessChoice(without[0], None, without[1], why)
    best = _best(labels, images, detections, costs, replace(base, agnostic_iou_threshold=SAME_PLACE))
    chosen = best if best[1] < without[1] - 1e-6 else without
    compared = f"{best[1]:.0f} s of corrections on the validation images, {without[1]:.0f} s with all of them"
    if chosen is best:
        why = (
            f"Of boxes of different classes on each other (IoU above {SAME_PLACE}) only the best is shown: {compared}."
        )
    else:
        why = f"Boxes of different classes on each other are all shown: with only the best {compared}."
    return PostprocessChoice(chosen[0], best[1], without[1], why)


def coinciding_objects(image: AnnotatedImage) -> int:
    """Count the pairs of annotated objects of different classes at one place."""
    overlaps = iou(image.boxes, image.boxes) > SAME_PLACE
    return int((overlaps & np.not_equal.outer(image.class_ids, image.class_ids)).sum()) // 2


def _best(
    labels: Sequence[str],
    images: Sequence[AnnotatedImage],
    detections: Sequence[Sequence[Detection]],
    costs: CorrectionCosts,
    suppression: Postprocess,
) -> tuple[Postprocess, float]:
    """Return `suppression` with the best thresholds, and their seconds."""
    common, per_class = choose_thresholds(labels, images, detections, costs, suppression.agnostic_iou_threshold)
    chosen = replace(suppression, threshold=common, thresholds=per_class)
    total = sum(corrections_by_image(images, detections, chosen), Corrections())
    return chosen, total.seconds(costs)
