"""Networks with their suppression in the four outputs of TensorRT's EfficientNMS.

YOLOv6 and DAMO-YOLO with `--end2end --ort`, YOLO-NAS and PP-YOLOE of SuperGradients in its batch format.

Reference: https://github.com/meituan/YOLOv6, `yolov6/models/end2end.py`, class ONNX_ORT;
https://github.com/Deci-AI/super-gradients, `documentation/source/models_export.md`.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from builder.imports import decoding
from builder.imports.layout import AdapterMatch, Layout, Preprocessing, Shapes
from builder.imports.shapes import detection_list

OUTPUTS = (
    "num_dets (1, 1); det_boxes (1, N, 4): x1, y1, x2, y2 in input pixels; det_scores (1, N); det_classes (1, N): "
    "class numbers from 0"
)
GRAPHS = ("onnx", "ir")
PIXELS = Preprocessing(scale=(255.0, 255.0, 255.0))
FIRST_CLASS = 0
THRESHOLD = 0.25


def match(outputs: Shapes, input_size: tuple[int, int]) -> AdapterMatch | None:
    """Four outputs, one of which is the number of rows that count."""
    counts = [name for name, shape in outputs.items() if shape in ((1, 1), (1,)) and "num" in name.lower()]
    if len(outputs) != 4 or len(counts) != 1:
        return None
    names = detection_list({name: shape for name, shape in outputs.items() if name not in counts}, 2)
    return AdapterMatch((*counts, *names), None) if names and outputs[names[0]][1] > 0 else None


def decode(arrays: Sequence[np.ndarray], layout: Layout) -> tuple[np.ndarray, np.ndarray]:
    """Give each row K scores, and none to rows after the last object."""
    count, boxes, scores, numbers = arrays
    return boxes, decoding.class_scores(numbers[0], decoding.before(scores[0], count), layout)


def graph(outputs: Sequence[Any], layout: Layout, ops: Any) -> tuple[Any, Any]:
    """As `decode`, as operations."""
    count, boxes, scores, numbers = outputs
    return boxes, decoding.listed_nodes(numbers, decoding.before_nodes(scores, count, ops), layout, ops)
