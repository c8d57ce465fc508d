"""What the objects lie on: wood, stone, cloth, a cutting mat, tiles or a smooth sheet."""

from collections.abc import Callable

import numpy as np
from PIL import Image

Size = tuple[int, int]


def draw_background(size: Size, rng: np.random.Generator) -> np.ndarray:
    """Draw a random background of `size` (width, height): float32 (H, W, 3), about [0, 1]."""
    return _DRAW[rng.integers(len(_DRAW))](size, rng)


def smooth_noise(size: Size, cells: Size, rng: np.random.Generator) -> np.ndarray:
    """Return random values on a grid of `cells`, smoothed to `size`: float32 (H, W) in [-1, 1].

    Pillow resizes bytes in whole numbers, alike on every machine.
    """
    grid = rng.integers(0, 256, (max(cells[1], 1), max(cells[0], 1)), np.uint8)
    smooth = Image.fromarray(grid).resize(size, Image.Resampling.BICUBIC)
    return np.asarray(smooth, np.float32) / np.float32(127.5) - 1


def _tinted(lightness: np.ndarray, tint: tuple[float, ...] | np.ndarray) -> np.ndarray:
    return lightness[..., None] * np.array(tint, np.float32)


def _muted(rng: np.random.Generator, darkest: float, lightest: float) -> np.ndarray:
    """Return a colour near grey, as most backgrounds are."""
    return rng.uniform(darkest, lightest) * rng.uniform(0.82, 1.15, 3)


def _axes(size: Size) -> tuple[np.ndarray, np.ndarray]:
    """Return columns (1, W) and rows (H, 1) in units of a 480 px high picture."""
    scale = np.float32(480 / min(size))
    return np.arange(size[0], dtype=np.float32)[None] * scale, np.arange(size[1], dtype=np.float32)[:, None] * scale


def _wood(size: Size, rng: np.random.Generator) -> np.ndarray:
    woods = ((0.62, 0.44, 0.28), (0.45, 0.30, 0.19), (0.74, 0.60, 0.43), (0.34, 0.24, 0.18), (0.58, 0.52, 0.46))
    tint = woods[rng.integers(len(woods))]
    turned = rng.random() < 0.5
    along, across = size[::-1] if turned else size
    planks = int(rng.integers(3, 7))
    row = np.arange(across, dtype=np.float32)[:, None] * np.float32(planks / across)
    wave = smooth_noise((along, across), (4, 5), rng)
    rings = np.abs(
        (row * np.float32(rng.uniform(4, 9)) + wave * np.float32(rng.uniform(0.4, 1.4))) % 1 - np.float32(0.5)
    )
    fibre = smooth_noise((along, across), (12, across // 2), rng)
    lightness = 1 + (rings - np.float32(0.25)) * np.float32(0.35) + fibre * np.float32(0.13)
    tone = rng.uniform(0.86, 1.12, planks + 1).astype(np.float32)
    lightness *= tone[np.minimum(row.astype(int), planks)]
    lightness *= np.where((row % 1) < np.float32(planks * 2.5 / across), np.float32(0.45), np.float32(1))
    return _tinted(lightness.T if turned else lightness, tint)


def _stone(size: Size, rng: np.random.Generator) -> np.ndarray:
    grey = rng.uniform(0.3, 0.72)
    lightness = 1 + smooth_noise(size, (5, 4), rng) * np.float32(0.16)
    lightness += smooth_noise(size, (40, 30), rng) * np.float32(0.10)
    lightness += smooth_noise(size, (size[0] // 2, size[1] // 2), rng) * np.float32(rng.uniform(0.05, 0.16))
    return _tinted(lightness, grey * rng.uniform(0.92, 1.08, 3))


def _cloth(size: Size, rng: np.random.Generator) -> np.ndarray:
    columns, rows = _axes(size)
    period = np.float32(rng.uniform(5, 9))
    warp, weft = np.abs(columns / period % 1 - np.float32(0.5)), np.abs(rows / period % 1 - np.float32(0.5))
    lightness = np.float32(0.86) + (warp + weft) * np.float32(0.28) + smooth_noise(size, (7, 5), rng) * np.float32(0.16)
    cloth = _tinted(lightness, _muted(rng, 0.22, 0.7))
    if rng.random() < 0.5:  # a checked one
        wide = np.float32(rng.uniform(60, 120))
        checks = (columns / wide % 1 < 0.5).astype(np.float32) + (rows / wide % 1 < 0.5).astype(np.float32)
        cloth += (np.array(_muted(rng, 0.2, 0.85), np.float32) - cloth) * (checks * np.float32(0.3))[..., None]
    return cloth


def _mat(size: Size, rng: np.random.Generator) -> np.ndarray:
    columns, rows = _axes(size)
    step = np.float32(rng.uniform(28, 56))
    column, row = (columns + np.float32(rng.uniform(0, 50))) % step, (rows + np.float32(rng.uniform(0, 50))) % step
    lines = np.minimum(column, row) < np.float32(1.6)
    mats = ((0.13, 0.36, 0.30), (0.15, 0.24, 0.42), (0.25, 0.25, 0.27), (0.82, 0.83, 0.80))
    tint = np.array(mats[rng.integers(len(mats))], np.float32)
    lightness = 1 + smooth_noise(size, (60, 45), rng) * np.float32(0.03)
    mat = _tinted(lightness, tint)
    contrast = np.float32(0.3 if tint[1] < 0.6 else -0.25)
    return mat + (lines * contrast)[..., None]


def _tiles(size: Size, rng: np.random.Generator) -> np.ndarray:
    columns, rows = _axes(size)
    step = np.float32(rng.uniform(90, 170))
    joint = np.minimum(columns % step, rows % step) < np.float32(rng.uniform(3, 7))
    tones = rng.uniform(0.8, 1.15, (64, 64)).astype(np.float32)
    lightness = tones[(rows // step).astype(int), (columns // step).astype(int)]
    lightness = lightness * (1 + smooth_noise(size, (24, 18), rng) * np.float32(0.05))
    return _tinted(np.where(joint, np.float32(0.6), lightness), _muted(rng, 0.4, 0.8))


def _sheet(size: Size, rng: np.random.Generator) -> np.ndarray:
    columns, rows = _axes(size)
    first, second = _muted(rng, 0.3, 0.8), _muted(rng, 0.25, 0.75)
    part = (columns / columns[0, -1] * np.float32(rng.uniform(0.3, 1)) + rows / rows[-1, 0]) / 2
    part = np.minimum(part + smooth_noise(size, (3, 3), rng) * np.float32(0.1), 1)[..., None]
    return np.array(first, np.float32) * (1 - part) + np.array(second, np.float32) * part


_DRAW: tuple[Callable[[Size, np.random.Generator], np.ndarray], ...] = (
    _wood,
    _wood,
    _stone,
    _cloth,
    _mat,
    _tiles,
    _sheet,
)
