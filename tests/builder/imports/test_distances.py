"""Boxes from distributions of distances."""

import numpy as np

from builder.imports import distances


def test_logits_of_one_cell_do_not_depend_on_those_of_another():
    """Only differences between the logits of a side count."""
    logits = np.zeros((1, 4, distances.COLUMNS), np.float32)
    logits[0, 0] = 300
    boxes = distances.boxes(logits, (16, 16), (8,), 0.5)
    np.testing.assert_allclose(boxes[0, :, 2:] - boxes[0, :, :2], 2 * 3.5 * 8)
