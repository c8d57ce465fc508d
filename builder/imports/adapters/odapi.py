"""TensorFlow's Object Detection API: a SavedModel with its own suppression, which returns a list of detections.

`ops` of `graph` is TensorFlow here, for the network stays a SavedModel.

Reference: https://github.com/tensorflow/models, `research/object_detection/exporter_lib_v2.py`.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from builder.imports import decoding
from builder.imports.layout import AdapterMatch, Layout, Preprocessing, Shapes

_NAMES = ("detection_boxes", "detection_scores", "detection_classes", "num_detections")
OUTPUTS = (
    "detection_boxes (1, N, 4): y1, x1, y2, x2 as fractions of the input's height and width; detection_scores (1, N); "
    "detection_classes (1, N): numbers from 1; num_detections (1)"
)
GRAPHS = ("saved_model",)
PIXELS = Preprocessing()
FIRST_CLASS = 1
THRESHOLD = 0.5


def match(outputs: Shapes, input_size: tuple[int, int]) -> AdapterMatch | None:
    """Outputs with these four names; others are ignored."""
    return AdapterMatch(_NAMES, None) if set(_NAMES) <= set(outputs) else None


def decode(arrays: Sequence[np.ndarray], layout: Layout) -> tuple[np.ndarray, np.ndarray]:
    """Scale fractions to pixels, order yxyx as xyxy, give each row K scores, and none to rows after the last object."""
    boxes, scores, numbers, count = arrays
    boxes = decoding.in_pixels(boxes[..., [1, 0, 3, 2]], layout)
    return boxes, decoding.class_scores(numbers[0], decoding.before(scores[0], count), layout)


def graph(outputs: Sequence[Any], layout: Layout, ops: Any) -> tuple[Any, Any]:
    """As `decode`, as operations of TensorFlow."""
    boxes, scores, numbers, count = (ops.cast(output, ops.float32) for output in outputs)
    width, height = layout.input_size
    y1, x1, y2, x2 = ops.split(boxes, 4, axis=-1)
    boxes = ops.concat([x1 * width, y1 * height, x2 * width, y2 * height], -1)
    listed = ops.range(ops.shape(scores)[1]) < ops.cast(count[0], ops.int32)
    scores = ops.where(listed[None], scores, 0.0)
    wanted = ops.range(layout.first_class, layout.first_class + layout.num_classes, dtype=ops.float32)
    return boxes, ops.where(ops.round(numbers)[..., None] == wanted, scores[..., None], 0.0)
