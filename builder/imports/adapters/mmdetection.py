"""Networks of MMDetection, MMYOLO and MMDeploy, which suppress by themselves.

The usual normalisation is that of MMDetection's models of PyTorch; others want `--channels`, `--mean`, `--scale`.

Reference: https://github.com/open-mmlab/mmdeploy, `docs/en/04-supported-codebases/mmdet.md`.
"""

from builder.imports.adapters import boxes_labels
from builder.imports.layout import AdapterMatch, Preprocessing, Shapes
from builder.imports.shapes import rows_and_numbers

OUTPUTS = "dets (1, N, 5) or (N, 5): x1, y1, x2, y2 in input pixels, score; labels (1, N) or (N): class numbers from 0"
GRAPHS = ("onnx", "ir")
PIXELS = Preprocessing("rgb", (123.675, 116.28, 103.53), (58.395, 57.12, 57.375))
FIRST_CLASS = 0
THRESHOLD = 0.3


def match(outputs: Shapes, input_size: tuple[int, int]) -> AdapterMatch | None:
    """Two outputs with as many rows, of five columns and of one number."""
    names = rows_and_numbers(outputs)
    return AdapterMatch(names, None, usual=not boxes_labels.is_usual(outputs, names[0])) if names else None


decode, graph = boxes_labels.decode, boxes_labels.graph
