"""Shapes as signed distances in pixels (negative inside, positive outside), and their lit, coloured pixels.

Only +, -, *, /, sqrt, minimum and maximum are used on arrays: these round alike on every processor, which sine
or exponential do not, so that an image has the same pixels everywhere. Union is `np.minimum`, a hole is
`np.maximum(shape, -hole)`. Edges are bevelled, and one light shines on the whole image.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

Colour = tuple[float, float, float]


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

        One unit is `extent` pixels; the angle is in degrees, clockwise on the screen.
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


@dataclass(frozen=True)
class Light:
    """Where light comes from.

    Attributes:
        direction: Unit vector (x right, y down, z to the camera) from the objects to the light.
        ambient: Share of light that reaches every side, in [0, 1].
    """

    direction: tuple[float, float, float]
    ambient: float

    @property
    def shadow_offset(self) -> tuple[float, float]:
        """Return the shadow's offset in pixels, to the right and down, for one pixel of height."""
        x, y, z = self.direction
        return -x / z, -y / z


@dataclass(frozen=True)
class Part:
    """One piece of one material.

    Attributes:
        distance: float32 (H, W), signed distance in pixels.
        colour: RGB in [0, 1], linear in what the sensor counts.
        bevel: Width of the rounded edge in pixels.
        gloss: Strength of the highlight; 0 is chalk.
        relief: float32 (H, W) or None: height in pixels, added to the rounded edge.
        shade: float32 (H, W) or None: factor on the colour.
    """

    distance: np.ndarray
    colour: Colour
    bevel: float
    gloss: float = 0.3
    relief: np.ndarray | None = None
    shade: np.ndarray | None = None

    def cropped(self, window: tuple[slice, slice]) -> "Part":
        """Return the same part in a smaller patch."""
        relief = None if self.relief is None else self.relief[window]
        shade = None if self.shade is None else self.shade[window]
        return replace(self, distance=self.distance[window], relief=relief, shade=shade)


def coverage(distance: np.ndarray, softness: float = 1.0) -> np.ndarray:
    """Return the share of each pixel that a shape covers, float32 in [0, 1]; the edge is `softness` pixels wide."""
    return np.clip(0.5 - distance / np.float32(softness), 0, 1)


def outline(parts: Sequence[Part]) -> np.ndarray:
    """Return the signed distance of all parts together."""
    distance = parts[0].distance
    for part in parts[1:]:
        distance = np.minimum(distance, part.distance)
    return distance


def paint(parts: Sequence[Part], light: Light) -> np.ndarray:
    """Return the colours of an object, later parts over earlier ones.

    Returns:
        float32 (H, W, 3), about [0, 1]; meaningful where `outline` is covered.
    """
    canvas = _lit(parts[0], light)
    for part in parts[1:]:
        alpha = coverage(part.distance)[..., None]
        canvas += (_lit(part, light) - canvas) * alpha
    return canvas


def _lit(part: Part, light: Light) -> np.ndarray:
    slope_x, slope_y = _slopes(_height(part))
    normal_z = 1 / np.sqrt(slope_x * slope_x + slope_y * slope_y + 1)
    x, y, z = (np.float32(value) for value in light.direction)
    facing = np.maximum((z - slope_x * x - slope_y * y) * normal_z, 0)
    brightness = np.float32(light.ambient) + np.float32(1.25 - light.ambient) * facing
    if part.shade is not None:
        brightness = brightness * part.shade
    lit = brightness[..., None] * np.array(part.colour, np.float32)
    if part.gloss:
        lit += _highlight(slope_x, slope_y, normal_z, light)[..., None] * np.float32(part.gloss)
    return lit


def _height(part: Part) -> np.ndarray:
    """Return the height: a quarter circle from the edge to `bevel` pixels inside, then flat."""
    inside = np.clip(-part.distance / np.float32(part.bevel), 0, 1)
    rest = 1 - inside
    height = np.sqrt(np.maximum(1 - rest * rest, 0)) * np.float32(part.bevel * 0.8)
    return height if part.relief is None else height + part.relief


def _slopes(height: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    slope_x, slope_y = np.zeros_like(height), np.zeros_like(height)
    slope_x[:, 1:-1] = (height[:, 2:] - height[:, :-2]) / 2
    slope_y[1:-1] = (height[2:] - height[:-2]) / 2
    return slope_x, slope_y


def _highlight(slope_x: np.ndarray, slope_y: np.ndarray, normal_z: np.ndarray, light: Light) -> np.ndarray:
    """Return Blinn's highlight to the 16th power (four squarings), for a camera straight above."""
    x, y, z = light.direction
    length = (x * x + y * y + (z + 1) * (z + 1)) ** 0.5
    half_x, half_y, half_z = (np.float32(value / length) for value in (x, y, z + 1))
    shine = np.maximum((half_z - slope_x * half_x - slope_y * half_y) * normal_z, 0)
    for _ in range(4):
        shine = shine * shine
    return shine
