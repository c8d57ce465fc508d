"""A SavedModel with the signature of the Object Detection API: `python squares_odapi.py FOLDER FOLDER`.

It finds red and blue squares (tests/builder/squares.py), suppresses by itself, and lists what it found with numbers
from 1; behind the last object stand rows that must not count. The one in the second folder also writes a file, as
no detector does.
"""

import sys

import numpy as np
import tensorflow as tf

CELLS = (8, 6)
ROWS = 20


class Detector(tf.Module):
    """Weights in variables, as in every real one."""

    def __init__(self, *, writes: bool) -> None:
        super().__init__()
        kernel = np.float32([[0.7, -0.35], [-0.35, -0.35], [-0.35, 0.7]]) * 8 / 255 * 5
        self.kernel = tf.Variable(kernel)
        self.bias = tf.Variable([-8.0, -8.0])
        self.writes = writes

    @tf.function(input_signature=[tf.TensorSpec((1, None, None, 3), tf.uint8, name="input_tensor")])
    def detect(self, input_tensor: tf.Tensor) -> dict[str, tf.Tensor]:
        """One image of 64x48 to lists of `ROWS`."""
        if self.writes:
            tf.io.write_file("/tmp/preannotate-was-here", "hello")
        image = tf.ensure_shape(input_tensor, (1, 48, 64, 3))
        means = tf.nn.avg_pool2d(tf.cast(image, tf.float32), 8, 8, "VALID")
        scores = tf.sigmoid(tf.reshape(means, (-1, 3)) @ self.kernel + self.bias)
        y, x = np.mgrid[: CELLS[1], : CELLS[0]]
        parts = np.stack([y / CELLS[1], x / CELLS[0], (y + 1) / CELLS[1], (x + 1) / CELLS[0]], -1)
        boxes = tf.constant(parts.reshape(-1, 4), tf.float32)
        best = tf.reduce_max(scores, 1)
        kept, _, count = tf.raw_ops.NonMaxSuppressionV5(
            boxes=boxes,
            scores=best,
            max_output_size=ROWS,
            iou_threshold=0.5,
            score_threshold=0.05,
            soft_nms_sigma=0.0,
            pad_to_max_output_size=True,  # with box 0, which must not count again
        )
        classes = tf.cast(tf.argmax(scores, 1), tf.float32) + 1
        return {
            "detection_boxes": tf.gather(boxes, kept)[None],
            "detection_scores": tf.gather(best, kept)[None],
            "detection_classes": tf.gather(classes, kept)[None],
            "num_detections": tf.cast(count, tf.float32)[None],
        }


def main(*folders: str) -> None:
    """Write both SavedModels."""
    for folder, writes in zip(folders, (False, True), strict=True):
        detector = Detector(writes=writes)
        tf.saved_model.save(detector, folder, signatures={"serving_default": detector.detect})


if __name__ == "__main__":
    main(*sys.argv[1:])
