"""YOLOX exported with `--decode_in_inference`: boxes are in pixels already.

Reference: https://github.com/Megvii-BaseDetection/YOLOX, `tools/export_onnx.py`, and `yolox/models/yolo_head.py`,
`decode_outputs`.
"""

from collections.abc import Sequence

import numpy as np

from builder.imports import values
from builder.imports.adapters import yolov5, yolox
from builder.imports.layout import Layout

OUTPUTS = (
    "(1, A, 5 + K): centre x and y, width, height in input pixels, the score that there is an object, then K scores; "
    "one row for each cell"
)
GRAPHS = yolox.GRAPHS
PIXELS = yolox.PIXELS
FIRST_CLASS = 0
THRESHOLD = yolox.THRESHOLD

match, decode, graph = yolox.match, yolov5.decode, yolov5.graph


def contradiction(arrays: Sequence[np.ndarray], layout: Layout) -> str:
    """Sides are pixels, and objects have scores of their own."""
    (rows,) = arrays
    return values.first_reason(
        sides_that_are_logarithms=not values.are_sides(rows[..., :4]),
        a_column_of_1=bool((rows[..., 4] == 1).all()),
    )
