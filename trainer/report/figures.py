"""The numbers of the page, computed from the facts."""

import math
from dataclasses import dataclass

import numpy as np

from evaluation import average_precision, bootstrap, object_sizes, outcomes, thresholds
from evaluation.average_precision import PrecisionRecallCurve
from evaluation.bootstrap import Estimate, PrecisionEstimates
from evaluation.corrections import Corrections, corrections_by_image, seconds_from_nothing
from evaluation.object_sizes import SizeBand
from evaluation.thresholds import ThresholdSweep
from trainer.report.facts import RunFacts


@dataclass(frozen=True)
class Figures:
    """What the model does on the validation images.

    Attributes:
        boxes: Annotated boxes of each class.
        mask_precision: Of the masks; None if no mask is annotated or the network gives none.
        sweeps: Seconds of correction of all images for every threshold of a class, the others as they are.
        by_image, total: The corrections that each image, and all together, need.
        seconds: Of correcting all images.
        seconds_from_nothing: Of drawing all their boxes.
        times_less: The latter over the former.
        confusion: Rows annotated, columns detected; background last.
        bands: By the size of objects.
    """

    boxes: tuple[int, ...]
    precision: PrecisionEstimates
    curves: tuple[PrecisionRecallCurve, ...]
    sweeps: tuple[ThresholdSweep, ...]
    by_image: tuple[Corrections, ...]
    total: Corrections
    seconds: float
    seconds_from_nothing: float
    times_less: Estimate
    confusion: np.ndarray
    bands: tuple[SizeBand, ...]
    mask_precision: PrecisionEstimates | None = None

    @property
    def decisive_ap50(self) -> tuple[Estimate, ...]:
        """AP50 of each class: of its masks where some are annotated, else of its boxes."""
        if self.mask_precision is None:
            return self.precision.ap50
        pairs = zip(self.mask_precision.ap50, self.precision.ap50, strict=True)
        return tuple(boxes if math.isnan(masks.value) else masks for masks, boxes in pairs)

    @classmethod
    def of(cls, facts: RunFacts) -> "Figures":
        """Compute all of them."""
        images, detections = facts.truth.images, facts.detections
        postprocess = facts.manifest.postprocess
        cuts, agnostic = postprocess.thresholds, postprocess.agnostic_iou_threshold
        classes = range(len(facts.truth.labels))
        matches = [average_precision.match_class(class_id, images, detections) for class_id in classes]
        search = thresholds.ThresholdSearch(images, detections, facts.costs, agnostic)
        by_image = corrections_by_image(images, detections, postprocess)
        with_model = np.array([item.seconds(facts.costs) for item in by_image])
        from_nothing = np.array([seconds_from_nothing(image, facts.costs) for image in images])
        return cls(
            boxes=tuple(int(of_class.boxes.sum()) for of_class in matches),
            precision=bootstrap.estimate_precision(matches),
            curves=tuple(average_precision.precision_recall_curve(of_class) for of_class in matches),
            sweeps=tuple(search.sweep([class_id], cuts) for class_id in classes),
            by_image=tuple(by_image),
            total=sum(by_image, Corrections()),
            seconds=float(with_model.sum()),
            seconds_from_nothing=float(from_nothing.sum()),
            times_less=bootstrap.estimate_ratio(from_nothing, with_model),
            confusion=outcomes.confusion_matrix(len(classes), images, detections, postprocess),
            bands=object_sizes.corrections_by_size(images, detections, postprocess, facts.manifest.input_size),
            mask_precision=_mask_precision(facts),
        )


def _mask_precision(facts: RunFacts) -> PrecisionEstimates | None:
    images, detections = facts.truth.images, facts.detections
    if facts.manifest.mask_head is None or not any(mask is not None for image in images for mask in image.masks):
        return None
    classes = range(len(facts.truth.labels))
    return bootstrap.estimate_precision(
        [average_precision.match_class_masks(class_id, images, detections) for class_id in classes]
    )
