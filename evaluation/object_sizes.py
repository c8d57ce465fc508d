"""Corrections by object size: COCO's small, medium and large, in pixels of the network's input.

COCO counts pixels of the image; photos of today have many times as many pixels as those of COCO, and nearly all
their objects would be "large". What decides whether an object is found is how many pixels of it the network sees.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evaluation.corrections import Corrections
from evaluation.ground_truth import AnnotatedImage
from evaluation.outcomes import Outcome, compare_image, shown
from runtime.boxes import area
from runtime.detector import Detection
from runtime.letterbox import Letterbox
from runtime.manifest import Postprocess

# Of the root of the area, in input pixels.
SMALL_BELOW, LARGE_FROM = 32, 96
BANDS = ("small", "medium", "large")


@dataclass(frozen=True)
class SizeBand:
    """Objects and false detections of one size.

    Attributes:
        corrections: What has to be done; false boxes count by their own size, all others by that of the object.
    """

    name: str
    boxes: int
    corrections: Corrections


def size_bands(boxes: np.ndarray, image_size: tuple[int, int], input_size: tuple[int, int]) -> np.ndarray:
    """int64 (N,), index into `BANDS`, of boxes (N, 4) in image pixels."""
    sides = np.sqrt(area(Letterbox.fit(image_size, input_size).to_input(boxes)))
    return np.digitize(sides, [SMALL_BELOW, LARGE_FROM])


def corrections_by_size(
    images: Sequence[AnnotatedImage],
    detections: Sequence[Sequence[Detection]],
    postprocess: Postprocess,
    input_size: tuple[int, int],
) -> tuple[SizeBand, ...]:
    """One `Band` for each of `BANDS`."""
    boxes, totals = [0] * len(BANDS), [Corrections() for _ in BANDS]
    for image, found in zip(images, detections, strict=True):
        compared = compare_image(image, found)
        outcome = compared.outcome(shown(found, postprocess))
        of_objects = size_bands(image.boxes, image.size, input_size)
        of_detections = size_bands(compared.boxes, image.size, input_size)
        for band in range(len(BANDS)):
            boxes[band] += int((of_objects == band).sum())
            part = Outcome(
                pairs=tuple(pair for pair in outcome.pairs if of_objects[pair.gt] == band),
                false=tuple(row for row in outcome.false if of_detections[row] == band),
                missed=tuple(row for row in outcome.missed if of_objects[row] == band),
                missed_outlines=tuple(row for row in outcome.missed_outlines if of_objects[row] == band),
            )
            totals[band] += Corrections.of(part)
    return tuple(SizeBand(*row) for row in zip(BANDS, boxes, totals, strict=True))
