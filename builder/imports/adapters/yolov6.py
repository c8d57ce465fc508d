"""YOLOv6 and its relatives, such as Gold-YOLO, exported without suppression.

Reference: https://github.com/meituan/YOLOv6, `deploy/ONNX/export_onnx.py`, and `yolov6/models/effidehead.py`, which
puts a 1 where YOLOX has the score that there is an object.
"""

from collections.abc import Sequence

import numpy as np

from builder.imports import values
from builder.imports.adapters import yolov5, yolox
from builder.imports.layout import Layout

OUTPUTS = (
    "(1, A, 5 + K): centre x and y, width, height in input pixels, a column of 1, then K scores; one row for each cell"
)
GRAPHS = yolov5.GRAPHS
PIXELS = yolov5.PIXELS
FIRST_CLASS = 0
THRESHOLD = 0.25

match, decode, graph = yolox.match, yolov5.decode, yolov5.graph


def contradiction(arrays: Sequence[np.ndarray], layout: Layout) -> str:
    """Sides are pixels, and the fifth column is 1 in every row."""
    (rows,) = arrays
    return values.first_reason(
        sides_that_are_logarithms=not values.are_sides(rows[..., :4]),
        no_column_of_1=bool((rows[..., 4] != 1).any()),
    )
