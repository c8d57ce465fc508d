"""DAMO-YOLO exported without suppression: two outputs, scores first.

Reference: https://github.com/tinyvision/DAMO-YOLO, `tools/converter.py`, and
`damo/base_models/heads/zero_head.py`, `forward_eval`; the network is fed with pixels as they are.
"""

from builder.imports.adapters import boxes_scores
from builder.imports.layout import AdapterMatch, Preprocessing, Shapes

OUTPUTS = "(1, A, K): scores; (1, A, 4): x1, y1, x2, y2 in input pixels; one row for each cell, scores first"
GRAPHS = ("onnx", "ir")
PIXELS = Preprocessing()
FIRST_CLASS = 0
THRESHOLD = 0.4

contradiction, decode, graph = boxes_scores.contradiction, boxes_scores.decode, boxes_scores.graph


def match(outputs: Shapes, input_size: tuple[int, int]) -> AdapterMatch | None:
    """Two outputs with a row for each cell of the feature levels."""
    return boxes_scores.match_cells(outputs, input_size, boxes_first=False)
