"""Mask R-CNN of the Model Zoo (instance-segmentation-security-0002 …), Geti and OpenVINO Training Extensions.

Reference: https://github.com/openvinotoolkit/open_model_zoo,
`models/intel/instance-segmentation-security-0002/README.md`.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from builder.imports import mask_maps
from builder.imports.adapters import boxes_labels
from builder.imports.layout import AdapterMatch, Layout, Preprocessing, Shapes
from runtime.manifest import MaskHead, MaskKind

OUTPUTS = (
    "boxes (N, 5) or (1, N, 5): x1, y1, x2, y2 in input pixels, score; labels (N) or (1, N): class numbers from 0; "
    "masks (N, m, m) in the boxes, or (N, H, W) in the input"
)
GRAPHS = ("onnx", "ir")
PIXELS = Preprocessing("bgr")
FIRST_CLASS = 0
THRESHOLD = 0.5
MASK_HEAD = MaskHead(MaskKind.BOX_MASKS)


def match(outputs: Shapes, input_size: tuple[int, int]) -> AdapterMatch | None:
    """As networks without masks, and one output of masks."""
    found = mask_maps.without_masks(outputs, input_size)
    return mask_maps.with_masks(boxes_labels.match(found[1], input_size), found[0]) if found else None


def decode(arrays: Sequence[np.ndarray], layout: Layout) -> tuple[np.ndarray, np.ndarray]:
    """As without masks."""
    return boxes_labels.decode(arrays[:2], layout)


def graph(outputs: Sequence[Any], layout: Layout, ops: Any) -> tuple[Any, Any]:
    """As without masks."""
    return boxes_labels.graph(outputs[:2], layout, ops)


def decode_masks(arrays: Sequence[np.ndarray], layout: Layout) -> dict[str, np.ndarray]:
    """Masks in the frames of their boxes."""
    return {"masks": mask_maps.in_boxes(arrays[2], decode(arrays, layout)[0], layout)}


def graph_masks(outputs: Sequence[Any], layout: Layout, ops: Any) -> dict[str, Any]:
    """As `decode_masks`, as operations."""
    return {"masks": mask_maps.in_boxes_nodes(outputs[2], graph(outputs, layout, ops)[0], layout, ops)}
