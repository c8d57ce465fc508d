"""The boxes that get masks: so many of the second stage's that time and memory are bounded, whatever an image shows."""

import keras
import numpy as np
import tensorflow as tf

from trainer.box_coder import decode
from trainer.models.faster_rcnn.proposals import clip, gather_rows, survivors

# As in Mask R-CNN, section 3.1: a mask takes eleven times as many multiplications as the class and the box.
MAX_MASKED_BOXES = 100
# Suppression behind the network drops boxes of one class that overlap by more.
IOU_THRESHOLD = 0.5


class BestBoxes(keras.layers.Layer):
    """The best boxes of the second stage, in the order of their highest class logits.

    Boxes that a better one covers come last, whatever their classes: an object that was found several times does not
    take the place of others, and where there is place for all, nothing is lost.
    """

    def __init__(self, input_size: tuple[int, int], count: int, **options: object) -> None:
        super().__init__(trainable=False, dtype="float32", **options)
        self._input_size = input_size
        self.count = min(count, MAX_MASKED_BOXES)

    def call(self, proposals: tf.Tensor, logits: tf.Tensor, deltas: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Return boxes float32 (B, M, 4), xyxy, input pixels, inside the input, and their logits (B, M, K).

        Arguments are the proposals float32 (B, N, 4), and what the second stage says of them: class logits (B, N, K)
        and deltas (B, N, 4).
        """
        total = proposals.shape[1]
        _, order = tf.math.top_k(tf.reduce_max(logits, axis=-1), total)
        boxes = gather_rows(clip(decode(deltas, proposals), self._input_size), order)
        # By their places and not by logits, which may be equal: engines break ties in different ways.
        places = np.arange(total, dtype=np.float32)
        ranked = tf.where(survivors(boxes, IOU_THRESHOLD), -places, -places - total)
        _, best = tf.math.top_k(ranked, self.count)
        return gather_rows(boxes, best), gather_rows(logits, tf.gather(order, best, batch_dims=1))

    def compute_output_spec(
        self, proposals: keras.KerasTensor, logits: keras.KerasTensor, deltas: keras.KerasTensor
    ) -> tuple[keras.KerasTensor, keras.KerasTensor]:
        """Return shape and dtype of boxes and logits."""
        shape = (proposals.shape[0], self.count)
        return tuple(keras.KerasTensor((*shape, part.shape[-1]), dtype="float32") for part in (deltas, logits))
