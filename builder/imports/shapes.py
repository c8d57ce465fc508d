"""Which outputs of a network are boxes, scores and class numbers, by their shapes and, where those are equal, names."""

from dataclasses import dataclass
from functools import partial

from builder.imports.feature_levels import feature_strides
from builder.imports.layout import Shapes

_SCORE_WORDS = ("score", "conf", "prob")
_NUMBER_WORDS = ("label", "class", "cls", "logit")

EXPLANATIONS = ("feature_vector", "saliency_map")


@dataclass(frozen=True)
class BoxesAndClasses:
    """Two outputs with as many rows: boxes (1, N, 4) and something of each class (1, N, C).

    Attributes:
        boxes: Name of an output.
        classes: Name of an output.
        rows: N.
        columns: C.
        boxes_first: Whether the file lists the boxes first.
    """

    boxes: str
    classes: str
    rows: int
    columns: int
    boxes_first: bool


def boxes_and_classes(outputs: Shapes) -> BoxesAndClasses | None:
    """Tell the two apart; None if there are other outputs, or other shapes."""
    if len(outputs) != 2:
        return None
    (first, second), (first_shape, second_shape) = outputs, outputs.values()
    if not (len(first_shape) == len(second_shape) == 3 and first_shape[:2] == second_shape[:2] and first_shape[0] == 1):
        return None
    swapped = first_shape[2] != 4
    if first_shape[2] == second_shape[2] == 4:
        swapped = any(word in first.lower() for word in (*_SCORE_WORDS, *_NUMBER_WORDS))
    if swapped:
        first, second, first_shape, second_shape = second, first, second_shape, first_shape
    if first_shape[2] != 4:
        return None
    return BoxesAndClasses(first, second, first_shape[1], second_shape[2], boxes_first=not swapped)


def detection_list(outputs: Shapes, rank: int) -> tuple[str, str, str] | None:
    """Names of the boxes, of rank `rank + 1`, and of their scores and class numbers, of rank `rank`; None without them.

    An output with a score or a class number for each box has the same shape: their names tell them apart.
    """
    boxes = [name for name, shape in outputs.items() if len(shape) == rank + 1 and shape[-1] == 4]
    if len(boxes) != 1:
        return None
    rows = outputs[boxes[0]][:-1]
    listed = [name for name, shape in outputs.items() if shape == rows]
    scores = [name for name in listed if any(word in name.lower() for word in _SCORE_WORDS)]
    numbers = [name for name in listed if any(word in name.lower() for word in _NUMBER_WORDS) and name not in scores]
    return (boxes[0], scores[0], numbers[0]) if len(scores) == len(numbers) == 1 else None


def rows_and_numbers(outputs: Shapes) -> tuple[str, str] | None:
    """Names of rows (1, N, 5) or (N, 5) of a box and its score, and of their class numbers; None if there are others.

    What Geti writes beside them to explain detections does not count.
    """
    used = {name: shape for name, shape in outputs.items() if name not in EXPLANATIONS}
    rows = [name for name, shape in used.items() if shape[-1:] == (5,) and (len(shape) == 2 or shape[:-2] == (1,))]
    numbers = [name for name, shape in used.items() if rows and shape == used[rows[0]][:-1]]
    return (rows[0], numbers[0]) if len(used) == 2 and len(rows) == len(numbers) == 1 else None


def listed_rows(outputs: Shapes, input_size: tuple[int, int], columns: int | None = None) -> str | None:
    """Name of the only output, if it is (1, N, `columns`) and neither axis is that of cells of the usual levels."""
    if len(outputs) == 1:
        ((name, shape),) = outputs.items()
        if len(shape) == 3 and shape[0] == 1 and (shape[2] > 4 if columns is None else shape[2] == columns):
            strides = partial(feature_strides, input_size, rare=False)
            of_cells = any(strides(shape[1], for_each_cell=count) for count in (1, 3)) or strides(shape[2])
            return None if of_cells else name
    return None
