"""Annotated frames as they are compared: the boxes that people annotated, and the detections of the model."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from preannotate.formats.records import Box, Shape
from runtime.detector import Detection

# Class id of labels that the function does not have; no detection has it.
UNKNOWN = -1


@dataclass(frozen=True)
class AnnotatedBox:
    """A shape as training sees it: the box around it, clipped to the image.

    Attributes:
        label: Of the task.
        class_id: Of the function; `UNKNOWN` if it does not have the label.
        box: xyxy, image pixels.
    """

    label: str
    class_id: int
    box: Box


@dataclass(frozen=True)
class ReviewedFrame:
    """A frame with both sides of the comparison.

    Attributes:
        frame: Relative number in the task.
        annotated: G boxes.
        detections: N detections down to a low score, with labels that the task has.
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


def annotated_boxes(shapes: Iterable[Shape], labels: Sequence[str], image_size: tuple[int, int]) -> list[AnnotatedBox]:
    """Return shapes as boxes; shapes without a box and those outside the image are left out.

    Args:
        shapes: Of one frame.
        labels: Of the function.
        image_size: (width, height).
    """
    found = []
    for shape in shapes:
        if shape.box is None:
            continue
        x1, y1, x2, y2 = (min(max(value, 0.0), float(image_size[axis % 2])) for axis, value in enumerate(shape.box))
        if x1 < x2 and y1 < y2:
            class_id = labels.index(shape.label) if shape.label in labels else UNKNOWN
            found.append(AnnotatedBox(shape.label, class_id, (x1, y1, x2, y2)))
    return found
