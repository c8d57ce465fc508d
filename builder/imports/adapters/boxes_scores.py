"""Networks that have the engine contract already (docs/architecture.md), so that nothing has to be decoded."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from builder.imports import values
from builder.imports.feature_levels import feature_strides
from builder.imports.layout import AdapterMatch, Layout, Preprocessing, Shapes
from builder.imports.shapes import BoxesAndClasses, boxes_and_classes

OUTPUTS = "boxes (1, N, 4): xyxy in input pixels; scores (1, N, K): in [0, 1]"
GRAPHS = ("onnx", "ir")
PIXELS = Preprocessing()
FIRST_CLASS = 0
THRESHOLD = 0.3


def match(outputs: Shapes, input_size: tuple[int, int]) -> AdapterMatch | None:
    """Two outputs of these shapes."""
    found = boxes_and_classes(outputs)
    return AdapterMatch((found.boxes, found.classes), found.columns, usual=has_names(found)) if found else None


def match_cells(outputs: Shapes, input_size: tuple[int, int], *, boxes_first: bool) -> AdapterMatch | None:
    """Match two outputs with a row for each cell of the feature levels; `boxes_first` is the exporter's order."""
    found = boxes_and_classes(outputs)
    if found is None or not feature_strides(input_size, found.rows):
        return None
    usual = found.boxes_first is boxes_first and not has_names(found)
    return AdapterMatch((found.boxes, found.classes), found.columns, usual=usual)


def has_names(found: BoxesAndClasses) -> bool:
    """Whether the outputs have the names of the contract."""
    return (found.boxes, found.classes) == ("boxes", "scores")


def contradiction(arrays: Sequence[np.ndarray], layout: Layout) -> str:
    """Boxes are pixels, and no column is the background."""
    boxes, scores = arrays
    return values.first_reason(
        fractions=values.are_fractions(boxes),
        no_scores=not values.are_scores(scores),
        a_column_for_the_background=values.have_background(scores),
    )


def decode(arrays: Sequence[np.ndarray], layout: Layout) -> tuple[np.ndarray, np.ndarray]:
    """Return both unchanged."""
    boxes, scores = arrays
    return boxes, scores


def graph(outputs: Sequence[Any], layout: Layout, ops: Any) -> tuple[Any, Any]:
    """Return both unchanged."""
    boxes, scores = outputs
    return boxes, scores
