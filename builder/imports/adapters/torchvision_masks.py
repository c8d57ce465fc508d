"""Mask R-CNN of torchvision, which suppresses by itself, normalises inside and pastes its masks into the image.

Reference: https://github.com/pytorch/vision, `torchvision/models/detection/mask_rcnn.py`: class 0 is the background.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from builder.imports import mask_maps
from builder.imports.adapters import torchvision
from builder.imports.layout import AdapterMatch, Layout, Preprocessing, Shapes
from builder.imports.shapes import detection_list
from runtime.manifest import MaskHead, MaskKind

OUTPUTS = (
    "boxes (N, 4): x1, y1, x2, y2 in input pixels; scores (N); labels (N): class numbers from 1; masks (N, 1, H, W) in "
    "the input"
)
GRAPHS = ("onnx", "ir")
PIXELS = Preprocessing(scale=(255.0, 255.0, 255.0))
FIRST_CLASS = 1
THRESHOLD = 0.5
MASK_HEAD = MaskHead(MaskKind.BOX_MASKS)


def match(outputs: Shapes, input_size: tuple[int, int]) -> AdapterMatch | None:
    """Three outputs with as many rows as there are objects, and one of masks."""
    found = mask_maps.without_masks(outputs, input_size)
    names = detection_list(found[1], 1) if found and len(found[1]) == 3 else None
    return AdapterMatch((*names, found[0]), None) if found and names else None


def decode(arrays: Sequence[np.ndarray], layout: Layout) -> tuple[np.ndarray, np.ndarray]:
    """As without masks."""
    return torchvision.decode(arrays[:3], layout)


def graph(outputs: Sequence[Any], layout: Layout, ops: Any) -> tuple[Any, Any]:
    """As without masks."""
    return torchvision.graph(outputs[:3], layout, ops)


def decode_masks(arrays: Sequence[np.ndarray], layout: Layout) -> dict[str, np.ndarray]:
    """Masks in the frames of their boxes."""
    return {"masks": mask_maps.in_boxes(arrays[3], arrays[0], layout)}


def graph_masks(outputs: Sequence[Any], layout: Layout, ops: Any) -> dict[str, Any]:
    """As `decode_masks`, as operations."""
    return {"masks": mask_maps.in_boxes_nodes(outputs[3], outputs[0], layout, ops)}
