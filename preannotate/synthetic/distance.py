"""Signed distances in pixels: negative inside a shape, positive outside.

Only +, -, *, /, sqrt, minimum and maximum are used on arrays: these round alike on every processor, which sine
or exponential do not, so that an image has the same pixels everywhere. Union is `np.minimum`, a hole is
`np.maximum(shape, -hole)`.
"""

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Plane:
    """The pixels of a patch in the coordinates of one object that lies turned and scaled in it.

    Attributes:
        x: float32 (H, W): along the object's axis; its extent runs from -0.5 to 0.5.
        y: float32 (H, W): across.
        pixels: Pixels for one unit of `x` and `y`.
    """

    x: np.ndarray
    y: np.ndarray
    pixels: float

    @classmethod
    def turned(cls, *, extent: float, angle: float, margin: int) -> "Plane":
        """Return a square patch that holds everything within `extent` / 2 and `margin` pixels of its centre.

        Args:
            extent: Pixels for one unit.
            angle: Degrees, clockwise on the screen.
            margin: Pixels around.
        """
        half = math.ceil(extent / 2) + margin
        axis = np.arange(-half, half + 1, dtype=np.float32) / np.float32(extent)
        # Rounded, so that the last bit of a machine's own sine does not matter.
        cos = np.float32(round(math.cos(math.radians(angle)), 6))
        sin = np.float32(round(math.sin(math.radians(angle)), 6))
        x = axis[None, :] * cos + axis[:, None] * sin
        y = axis[:, None] * cos - axis[None, :] * sin
        return cls(x, y, extent)

    def disc(self, x: float, y: float, radius: float) -> np.ndarray:
        """Return the distance to a disc."""
        dx, dy = self.x - np.float32(x), self.y - np.float32(y)
        return (np.sqrt(dx * dx + dy * dy) - np.float32(radius)) * np.float32(self.pixels)

    def ring(self, x: float, y: float, radius: float, width: float) -> np.ndarray:
        """Return the distance to a ring; `radius` is that of its middle line."""
        return np.abs(self.disc(x, y, radius)) - np.float32(width / 2 * self.pixels)

    def box(self, x: float, y: float, length: float, width: float, turn: float = 0.0) -> np.ndarray:
        """Return the distance to a rectangle around (x, y), its length along the axis, turned by `turn` degrees."""
        dx, dy = self.x - np.float32(x), self.y - np.float32(y)
        if turn:
            cos = np.float32(round(math.cos(math.radians(turn)), 6))
            sin = np.float32(round(math.sin(math.radians(turn)), 6))
            dx, dy = dx * cos + dy * sin, dy * cos - dx * sin
        outside_x, outside_y = np.abs(dx) - np.float32(length / 2), np.abs(dy) - np.float32(width / 2)
        corner_x, corner_y = np.maximum(outside_x, 0), np.maximum(outside_y, 0)
        outside = np.sqrt(corner_x * corner_x + corner_y * corner_y)
        return (outside + np.minimum(np.maximum(outside_x, outside_y), 0)) * np.float32(self.pixels)

    def capsule(self, start: tuple[float, float], end: tuple[float, float], radius: float) -> np.ndarray:
        """Return the distance to a line with round ends."""
        along_x, along_y = end[0] - start[0], end[1] - start[1]
        dx, dy = self.x - np.float32(start[0]), self.y - np.float32(start[1])
        length_squared = max(along_x * along_x + along_y * along_y, 1e-9)
        along = (dx * np.float32(along_x) + dy * np.float32(along_y)) / np.float32(length_squared)
        part = np.minimum(np.maximum(along, 0), 1)
        rest_x, rest_y = dx - part * np.float32(along_x), dy - part * np.float32(along_y)
        return (np.sqrt(rest_x * rest_x + rest_y * rest_y) - np.float32(radius)) * np.float32(self.pixels)

    def polygon(self, x: float, y: float, radius: float, corners: int, turn: float = 0.0) -> np.ndarray:
        """Return the distance to a regular polygon; `radius` reaches the middle of a side (not exact at corners)."""
        sides = []
        for i in range(corners):
            angle = math.radians(turn + 360 * i / corners)
            cos, sin = np.float32(round(math.cos(angle), 6)), np.float32(round(math.sin(angle), 6))
            sides.append((self.x - np.float32(x)) * cos + (self.y - np.float32(y)) * sin)
        return (np.maximum.reduce(sides) - np.float32(radius)) * np.float32(self.pixels)
