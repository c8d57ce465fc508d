"""Conversion between boxes and the offsets from its anchor that the network predicts.

With the anchor's centre (xa, ya) and sides (wa, ha):

    x = xa + 0.1 dx wa        w = wa exp(0.2 dw)        and so for y and h.

The factors are scalars for each coordinate: a multiplication by a vector of four before slicing breaks
OpenVINO's INT8 compilation. Reference: Faster R-CNN, section 3.1.2, https://arxiv.org/abs/1506.01497;
the factors as in SSD, https://arxiv.org/abs/1512.02325.
"""

import math
from typing import Any

import keras
import numpy as np

CENTRE_FACTOR = 0.1
SIDE_FACTOR = 0.2
# exp() of a wild offset overflows; no 16 px anchor needs to become wider than a 1000 px box.
MAX_LOG_SCALE = math.log(1000 / 16)
# Of TensorFlow or Keras, or an array.
Tensor = Any


def decode(deltas: Tensor, anchors: Tensor) -> Tensor:
    """Return the boxes of offsets.

    Args:
        deltas: float32 tensor (..., A, 4): dx, dy, dw, dh.
        anchors: float32 (A, 4) or (..., A, 4), xyxy; an array or a tensor, such as proposals.

    Returns:
        float32 tensor (..., A, 4), xyxy, in the frame of the anchors; not clipped.
    """
    xa, ya, wa, ha = _centres_and_sides(anchors)
    x = xa + deltas[..., 0] * CENTRE_FACTOR * wa
    y = ya + deltas[..., 1] * CENTRE_FACTOR * ha
    half_w = 0.5 * wa * keras.ops.exp(keras.ops.minimum(deltas[..., 2] * SIDE_FACTOR, MAX_LOG_SCALE))
    half_h = 0.5 * ha * keras.ops.exp(keras.ops.minimum(deltas[..., 3] * SIDE_FACTOR, MAX_LOG_SCALE))
    return keras.ops.stack([x - half_w, y - half_h, x + half_w, y + half_h], axis=-1)


def encode(boxes: np.ndarray, anchors: np.ndarray) -> np.ndarray:
    """Return the offsets float32 (A, 4) of boxes: `decode(encode(boxes, anchors), anchors)` gives the boxes back.

    Both are float32 (A, 4), xyxy; row by row the box of each anchor, with positive sides.
    """
    x, y, w, h = _centres_and_sides(boxes)
    xa, ya, wa, ha = _centres_and_sides(anchors)
    deltas = [
        (x - xa) / wa / CENTRE_FACTOR,
        (y - ya) / ha / CENTRE_FACTOR,
        np.log(w / wa) / SIDE_FACTOR,
        np.log(h / ha) / SIDE_FACTOR,
    ]
    return np.stack(deltas, axis=-1).astype(np.float32)


def _centres_and_sides(boxes: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    x1, y1, x2, y2 = (boxes[..., i] for i in range(4))
    return (x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1
