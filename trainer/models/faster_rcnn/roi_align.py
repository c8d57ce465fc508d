"""RoIAlign: the features inside a box, as a small grid, whatever the box's size.

Each of the grid's bins is the mean of some points, read between the cells of the feature map by bilinear interpolation;
nothing is rounded. How many points a bin has matters little, as the reference says. It is made of
`tf.image.crop_and_resize` and a mean, which OpenVINO converts.
Reference: Mask R-CNN, section 3, https://arxiv.org/abs/1703.06870.
"""

import keras
import tensorflow as tf

# Bins along a side, as in the reference, and points of a bin along a side.
BINS, POINTS = 7, 2


class RoiAlign(keras.layers.Layer):
    """Features (B, h, w, C) and boxes (B, N, 4), xyxy, input pixels, to (B, N, bins · bins · C).

    A cell of the feature map is `stride` input pixels wide; the grid has `bins` along a side, and a bin `points`.
    """

    def __init__(self, stride: int, *, bins: int = BINS, points: int = POINTS, **options: object) -> None:
        super().__init__(trainable=False, dtype="float32", **options)
        self._stride = stride
        self._bins = bins
        self._points = points

    def call(self, features: tf.Tensor, boxes: tf.Tensor) -> tf.Tensor:
        """See the class; boxes lie inside the input."""
        # Beyond the centre of the outermost cell there is nothing to interpolate with: the border is repeated.
        features = tf.pad(features, [[0, 0], [1, 1], [1, 1], [0, 0]], mode="SYMMETRIC")
        count = boxes.shape[1]
        images = tf.reshape(tf.tile(tf.range(tf.shape(boxes)[0])[:, None], [1, count]), (-1,))
        grid = read_points(features, boxes / self._stride, images, self._bins * self._points)
        if self._points > 1:
            grid = tf.nn.avg_pool2d(grid, self._points, self._points, "VALID")
        return tf.reshape(grid, (-1, count, self._bins**2 * features.shape[-1]))

    def compute_output_spec(self, features: keras.KerasTensor, boxes: keras.KerasTensor) -> keras.KerasTensor:
        """Return shape and dtype of the result, for any number of boxes: training has another than serving."""
        return keras.KerasTensor((boxes.shape[0], None, self._bins**2 * features.shape[-1]), dtype="float32")


def read_points(maps: tf.Tensor, boxes: tf.Tensor, rows: tf.Tensor, points: int) -> tf.Tensor:
    """Return what lies at evenly spread points of boxes: float32 (R, points, points, C).

    Args:
        maps: float32 (M, h + 2, w + 2, C): with a border of one cell around it. What lies beyond it is 0.
        boxes: float32 (..., 4), R in all: xyxy, in cells of the map without its border, finite.
        rows: int32 (R,): the map of each box.
        points: Along a side.
    """
    height, width = maps.shape[1:3]
    x1, y1, x2, y2 = (boxes[..., i] for i in range(4))
    x1, x2 = _outermost(x1, x2, points, width)
    y1, y2 = _outermost(y1, y2, points, height)
    corners = tf.reshape(tf.stack([y1, x1, y2, x2], axis=-1), (-1, 4))
    return tf.image.crop_and_resize(maps, corners, rows, (points, points))


def _outermost(low: tf.Tensor, high: tf.Tensor, points: int, cells: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the first and last point of a box for `crop_and_resize`: the first cell's centre is 0, the last's 1.

    The edges `low` and `high` are in cells of the map without its border: the first cell reaches from 0 to 1. Along
    this axis the box has `points`, and the map `cells` with its border.
    """
    half_step = (high - low) / (2 * points)
    # A cell for the border, half a cell from a cell's edge to its centre.
    return (low + half_step + 0.5) / (cells - 1), (high - half_step + 0.5) / (cells - 1)
