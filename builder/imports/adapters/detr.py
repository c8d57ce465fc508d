"""DETR, Conditional and Deformable DETR, YOLOS, RT-DETR and D-FINE of Hugging Face Transformers.

DETR and YOLOS have a last column for "no object" and take the softmax of each row; the others have a column for each
class and take its sigmoid.

Reference: https://github.com/huggingface/transformers, `post_process_object_detection` of
`models/detr/image_processing_detr.py` and `models/rt_detr/image_processing_rt_detr.py`.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from builder.imports import decoding, values
from builder.imports.layout import AdapterMatch, Layout, Preprocessing, Shapes
from builder.imports.shapes import boxes_and_classes

OUTPUTS = (
    "logits (1, N, K + 1), the last column for no object, or (1, N, K); pred_boxes (1, N, 4): centre x and y, width, "
    "height as fractions of the input"
)
GRAPHS = ("onnx", "ir")
PIXELS = Preprocessing("rgb", (123.675, 116.28, 103.53), (58.395, 57.12, 57.375))
FIRST_CLASS = 0
THRESHOLD = 0.5


def match(outputs: Shapes, input_size: tuple[int, int]) -> AdapterMatch | None:
    """Outputs of these names, beside which hidden states are ignored; or two outputs of these shapes."""
    named = {name: outputs[name] for name in ("pred_boxes", "logits", "pred_logits") if name in outputs}
    found = boxes_and_classes(named) or boxes_and_classes(outputs)
    if found is None:
        return None
    return AdapterMatch((found.classes, found.boxes), found.columns, unlabelled=1, usual=len(named) == 2)


def contradiction(arrays: Sequence[np.ndarray], layout: Layout) -> str:
    """Boxes are fractions, and classes have logits."""
    logits, boxes = arrays
    return values.first_reason(pixels=values.are_pixels(boxes), scores_in_place_of_logits=values.are_scores(logits))


def decode(arrays: Sequence[np.ndarray], layout: Layout) -> tuple[np.ndarray, np.ndarray]:
    """Turn centres into corners, fractions into pixels, and logits into scores."""
    logits, boxes = arrays
    if logits.shape[2] > layout.num_classes:
        powers = np.exp(logits - logits.max(2, keepdims=True))
        scores = (powers / powers.sum(2, keepdims=True))[..., :-1]
    else:
        scores = decoding.sigmoid(logits)
    return decoding.in_pixels(decoding.corners(boxes), layout), scores


def graph(outputs: Sequence[Any], layout: Layout, ops: Any) -> tuple[Any, Any]:
    """As `decode`, as operations."""
    logits, boxes = outputs
    softmax = logits.get_partial_shape()[2].get_length() > layout.num_classes
    scores = decoding.columns(ops.softmax(logits, 2), 0, layout.num_classes, ops) if softmax else ops.sigmoid(logits)
    columns = (decoding.column(boxes, index, ops) for index in range(4))
    return decoding.corner_nodes(decoding.pixel_nodes(columns, layout, ops), ops), scores
