"""YOLO-NAS exported without suppression: two outputs, boxes first.

Reference: https://github.com/Deci-AI/super-gradients, `documentation/source/models_export.md`, and
`src/super_gradients/training/models/detection_models/yolo_nas/dfl_heads.py`.
"""

from builder.imports.adapters import boxes_scores
from builder.imports.layout import AdapterMatch, Preprocessing, Shapes

OUTPUTS = "(1, A, 4): x1, y1, x2, y2 in input pixels; (1, A, K): scores; one row for each cell, boxes first"
GRAPHS = ("onnx", "ir")
PIXELS = Preprocessing(scale=(255.0, 255.0, 255.0))
FIRST_CLASS = 0
THRESHOLD = 0.25

contradiction, decode, graph = boxes_scores.contradiction, boxes_scores.decode, boxes_scores.graph


def match(outputs: Shapes, input_size: tuple[int, int]) -> AdapterMatch | None:
    """Two outputs with a row for each cell of the feature levels."""
    return boxes_scores.match_cells(outputs, input_size, boxes_first=True)
