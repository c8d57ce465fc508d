"""Annotated frames as they are compared: boxes of people, detections of the model."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from preannotate.formats.records import Box, Shape
from runtime.detector import Detection

# What the model does not know has a class of its own, which no detection has.
UNKNOWN = -1


@dataclass(frozen=True)
class AnnotatedBox:
    """A shape as training sees it: the box around it, cut at the border of the image.

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
    """A frame.

    Attributes:
        frame: Relative number.
        drawn: What is annotated.
        detections: Of the function, down to a low score; of labels that the task has.
    """

    frame: int
    drawn: tuple[AnnotatedBox, ...]
    detections: tuple[Detection, ...]

    @property
    def boxes(self) -> np.ndarray:
        """(G, 4) of what is annotated."""
        return np.array([one.box for one in self.drawn], np.float32).reshape(-1, 4)

    @property
    def class_ids(self) -> np.ndarray:
        """(G,) of what is annotated."""
        return np.array([one.class_id for one in self.drawn], int)

    @property
    def found_boxes(self) -> np.ndarray:
        """(N, 4) of the detections."""
        return np.array([one.box for one in self.detections], np.float32).reshape(-1, 4)

    @property
    def found_class_ids(self) -> np.ndarray:
        """(N,) of the detections."""
        return np.array([one.class_id for one in self.detections], int)


def annotated_boxes(shapes: Iterable[Shape], labels: Sequence[str], size: tuple[int, int]) -> list[AnnotatedBox]:
    """Shapes as boxes; what never becomes one, or lies outside the image, is left out.

    Args:
        shapes: Of one frame.
        labels: Of the function.
        size: (width, height) of the image.
    """
    found = []
    for shape in shapes:
        if shape.box is None:
            continue
        x1, y1, x2, y2 = (min(max(value, 0.0), float(size[axis % 2])) for axis, value in enumerate(shape.box))
        if x1 < x2 and y1 < y2:
            known = labels.index(shape.label) if shape.label in labels else UNKNOWN
            found.append(AnnotatedBox(shape.label, known, (x1, y1, x2, y2)))
    return found
