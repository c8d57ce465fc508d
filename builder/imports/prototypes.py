"""Masks of YOLACT's kind: coefficients in the rows of boxes, and prototypes in an output of their own."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from builder.imports.layout import Shapes

# Of the input's sides: of a cell of the prototypes.
_STRIDE = 4


@dataclass(frozen=True)
class RowsAndPrototypes:
    """Names of the two outputs, and how many prototypes there are."""

    rows: str
    prototypes: str
    channels: int


def rows_and_prototypes(outputs: Shapes, input_size: tuple[int, int]) -> RowsAndPrototypes | None:
    """Tell the two apart: (1, …, …) and (1, C, H / 4, W / 4); None if there are other outputs, or other shapes."""
    if len(outputs) != 2:
        return None
    rows = [name for name, shape in outputs.items() if len(shape) == 3 and shape[0] == 1]
    maps = [name for name, shape in outputs.items() if len(shape) == 4 and shape[0] == 1 and shape[1] > 0]
    if len(rows) != 1 or len(maps) != 1:
        return None
    _, count, height, width = outputs[maps[0]]
    if (width * _STRIDE, height * _STRIDE) != input_size:
        return None
    return RowsAndPrototypes(rows[0], maps[0], count)


def contract(coefficients: np.ndarray, maps: np.ndarray) -> dict[str, np.ndarray]:
    """Return the outputs of the engine contract, of coefficients (1, N, C) and prototypes (1, C, h, w)."""
    return {"mask_coefficients": coefficients, "prototypes": maps.transpose(0, 2, 3, 1)}


def contract_nodes(coefficients: Any, maps: Any, ops: Any) -> dict[str, Any]:
    """As `contract`, as operations."""
    return {"mask_coefficients": coefficients, "prototypes": ops.transpose(maps, np.array([0, 2, 3, 1]))}


def channels(maps: Any) -> int:
    """Return how many prototypes a node (1, C, h, w) has."""
    return int(maps.get_partial_shape()[1].get_length())
