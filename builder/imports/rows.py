"""Networks that list what they found: a class number and a score for each row, here in NumPy."""

import numpy as np

from builder.imports.layout import Layout


class UnknownClassError(ValueError):
    """The network answers with a class number that has no label."""


def spread(numbers: np.ndarray, scores: np.ndarray, layout: Layout) -> np.ndarray:
    """Scores (1, N, K) from one class number (N,) and one score (N,) for each row.

    Raises:
        UnknownClass: A row with a score has a number without a label.
    """
    class_ids = np.rint(numbers).astype(int) - layout.first_class
    result = np.zeros((1, len(scores), layout.num_classes), np.float32)
    known = (class_ids >= 0) & (class_ids < layout.num_classes)
    strange = numbers[~known & (scores > 0)]
    if len(strange):
        last = layout.first_class + layout.num_classes - 1
        raise UnknownClassError(
            f"the network answers with class {strange[0]:g}; expected {layout.first_class} to {last}, "
            f"the numbers of the {layout.num_classes} labels"
        )
    result[0, np.flatnonzero(known), class_ids[known]] = scores[known]
    return result
