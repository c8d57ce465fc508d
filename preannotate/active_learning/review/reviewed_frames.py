"""Annotated frames as they are compared: the boxes that people annotated, and the detections of the model.

The detection rates say how often the model detects annotated objects: how much it means that it does not detect one.
They are counted on the same frames, because most annotations are right. Few objects prove little: each rate begins at
one half and moves with the evidence (Laplace's rule).

Replacing scores by how often annotations agree with them (isotonic regression) was tried, too: on the photos of
benchmarks/review.py fewer mistakes came first, so scores are used as they are.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from evaluation.outcomes import SAME_OBJECT_FROM, ImageComparison
from preannotate.formats.records import Box, Shape
from runtime.boxes import area
from runtime.detector import Detection
from runtime.image_limits import MAX_PIXELS
from runtime.masks import InstanceMask
from trainer.datasets.rasterization import rasterize

# Class id of labels that the function does not have; no detection has it.
UNKNOWN = -1
# Objects of similar size are detected about as often; so many make a rate.
_SIMILAR_SIZES = 20
# Outlines in CVAT are in pixels of the image.
_AS_THEY_ARE = np.eye(2, 3)
# Boxes of the outlines of a frame that are drawn, together.
_MASK_PIXELS = 1e9


@dataclass(frozen=True)
class AnnotatedBox:
    """A shape as training sees it: the box around it, xyxy in image pixels, clipped to the image.

    `class_id` is that of the function; `UNKNOWN` if it does not have the label. `mask` are the pixels inside of an
    outline; None of a box, and for functions that have no masks.
    """

    label: str
    class_id: int
    box: Box
    mask: InstanceMask | None = None


@dataclass(frozen=True)
class ReviewedFrame:
    """A frame, by its relative number, with G annotated boxes and N detections down to a low score.

    Detections have only labels that the task has.
    """

    frame: int
    annotated: tuple[AnnotatedBox, ...]
    detections: tuple[Detection, ...]

    @property
    def gt_boxes(self) -> np.ndarray:
        """float32 (G, 4), xyxy, image pixels."""
        return np.array([one.box for one in self.annotated], np.float32).reshape(-1, 4)

    @property
    def gt_classes(self) -> np.ndarray:
        """Int (G,); `UNKNOWN` for labels that the function does not have."""
        return np.array([one.class_id for one in self.annotated], int)

    @property
    def boxes(self) -> np.ndarray:
        """float32 (N, 4) of the detections."""
        return np.array([one.box for one in self.detections], np.float32).reshape(-1, 4)

    @property
    def class_ids(self) -> np.ndarray:
        """Int (N,) of the detections."""
        return np.array([one.class_id for one in self.detections], int)

    @cached_property
    def comparison(self) -> ImageComparison:
        """Detections beside annotations: by their masks where both have one, else by their boxes."""
        return ImageComparison(
            self.boxes,
            self.class_ids,
            self.gt_boxes,
            self.gt_classes,
            tuple(one.mask for one in self.detections),
            tuple(one.mask for one in self.annotated),
        )


def annotated_boxes(
    shapes: Iterable[Shape], labels: Sequence[str], image_size: tuple[int, int], *, masks: bool = False
) -> list[AnnotatedBox]:
    """Return the shapes of a frame as boxes; those without a box and those outside the image are left out.

    Class ids are those of the function's `labels`; `image_size` is (width, height). With `masks` outlines are drawn,
    too, as far as those of one frame are not too many.
    """
    found: list[AnnotatedBox] = []
    pixels = 0.0 if masks and image_size[0] * image_size[1] <= MAX_PIXELS else float("inf")
    for shape in shapes:
        if shape.box is None:
            continue
        x1, y1, x2, y2 = (min(max(value, 0.0), float(image_size[axis % 2])) for axis, value in enumerate(shape.box))
        if x1 < x2 and y1 < y2:
            class_id = labels.index(shape.label) if shape.label in labels else UNKNOWN
            mask, pixels = None, pixels + (x2 - x1) * (y2 - y1)
            if shape.outline is not None and pixels <= _MASK_PIXELS:
                mask = rasterize(shape.outline, np.array(shape.box, np.float64), _AS_THEY_ARE, image_size)
            found.append(AnnotatedBox(shape.label, class_id, (x1, y1, x2, y2), mask))
    return found


@dataclass(frozen=True)
class DetectionRates:
    """Rates of all annotated objects of known classes.

    Attributes:
        by_class: For each class id, the share of annotated objects that are detected.
        areas: (M,) of the objects, in square pixels.
        detected: bool (M,).
    """

    by_class: tuple[float, ...]
    areas: np.ndarray
    detected: np.ndarray

    @classmethod
    def count(cls, frames: Sequence[ReviewedFrame], thresholds: Sequence[float]) -> "DetectionRates":
        """Count on all frames; `thresholds` are those of the classes."""
        objects = [one for frame in frames for one in _objects(frame, thresholds)]
        return cls(
            tuple(_rate([detected for _, known, detected in objects if known == i]) for i in range(len(thresholds))),
            np.array([size for size, _, _ in objects]),
            np.array([detected for _, _, detected in objects], bool),
        )

    def rate(self, class_id: int, size: float) -> float:
        """Return how often an object is detected, in (0, 1): the rate of its class or of its size, the lower one.

        `size` is an area in square pixels.
        """
        if not len(self.areas):
            return self.by_class[class_id]
        difference = np.abs(np.log(self.areas / size))
        similar = difference <= np.sort(difference)[:_SIMILAR_SIZES][-1]  # all that are as near as the last of them
        return min(self.by_class[class_id], _rate(self.detected[similar].tolist()))


def _objects(frame: ReviewedFrame, thresholds: Sequence[float]) -> list[tuple[float, int, bool]]:
    """Area, class, and whether a detection of that class above its threshold is on it, of objects of known classes."""
    confident = np.array([one.score >= thresholds[one.class_id] for one in frame.detections], bool)
    overlapping = frame.comparison.overlaps >= np.float32(SAME_OBJECT_FROM)
    same_class = frame.class_ids[:, None] == frame.gt_classes[None]
    detected = (overlapping & same_class & confident[:, None]).any(axis=0)
    areas = area(frame.gt_boxes)
    return [
        (float(areas[row]), one.class_id, bool(detected[row]))
        for row, one in enumerate(frame.annotated)
        if one.class_id != UNKNOWN
    ]


def _rate(detected: Sequence[bool]) -> float:
    """Share of what is detected, with one detected and one undetected object added."""
    return (sum(detected) + 1) / (len(detected) + 2)
