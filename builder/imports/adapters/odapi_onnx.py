"""TensorFlow's Object Detection API converted to ONNX or to an IR: the outputs of its SavedModel.

Reference: https://github.com/onnx/tensorflow-onnx, `tutorials/ConvertingSSDMobilenetToONNX.ipynb`; names may end
with ":0".
"""

from collections.abc import Sequence
from typing import Any

from builder.imports import decoding
from builder.imports.adapters import odapi
from builder.imports.layout import AdapterMatch, Layout, Shapes

OUTPUTS = odapi.OUTPUTS
GRAPHS = ("onnx", "ir")
PIXELS = odapi.PIXELS
FIRST_CLASS = odapi.FIRST_CLASS
THRESHOLD = odapi.THRESHOLD

decode = odapi.decode


def match(outputs: Shapes, input_size: tuple[int, int]) -> AdapterMatch | None:
    """Outputs with these four names; others are ignored."""
    plain = {name.removesuffix(":0"): name for name in outputs}
    found = odapi.match({name: outputs[written] for name, written in plain.items()}, input_size)
    if found is None:
        return None
    names = tuple(plain[name] for name in found.names)
    boxes, scores, numbers, _ = (outputs[name] for name in names)
    fits = len(boxes) == 3 and boxes[2] == 4 and boxes[1] > 0 and scores == numbers == boxes[:2]
    return AdapterMatch(names, None) if fits else None


def graph(outputs: Sequence[Any], layout: Layout, ops: Any) -> tuple[Any, Any]:
    """As `decode`, as operations."""
    boxes, scores, numbers, count = outputs
    sides = (decoding.column(boxes, index, ops) for index in (1, 0, 3, 2))
    scores = decoding.listed_nodes(numbers, decoding.before_nodes(scores, count, ops), layout, ops)
    return ops.concat(decoding.pixel_nodes(sides, layout, ops), 2), scores
