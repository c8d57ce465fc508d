"""Choosing frames one after the other: each time the one that is worth most and differs from those there already.

The weight of an image is multiplied by its distance to the nearest annotated or chosen one: an image that looks like
one of those counts nothing, one as far away as two images of the set usually are counts fully. With equal weights this
is greedy k-center, which picks the image farthest from all others. In a video the number of frames between two counts
as well: neighbours show the same scene even where light and noise differ.

Distances are those of image descriptors: 176 numbers, with near-duplicates close together and different scenes far
apart. They have two halves of about the same weight, each on a grid of 4 x 4 cells: mean brightness and colour, which
is MPEG-7's colour layout without its last transform, and histograms of gradients in 8 directions. Both need only Pillow
and NumPy and a few milliseconds. Neither needs a network, because functions return boxes and no features.

Sources: k-center, O. Sener, S. Savarese, "Active learning for convolutional neural networks: a core-set approach",
arXiv:1708.00489, algorithm 1; uncertainty times distance as in C. Yang, L. Huang, E. J. Crowley, "Plug and play active
learning for object detection", arXiv:2211.11612, which chooses by uncertainty and then by diversity;
E. Kasutani, A. Yamada, "The MPEG-7 color layout descriptor", ICIP 2001; N. Dalal, B. Triggs, "Histograms of oriented
gradients for human detection", CVPR 2005.
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from runtime.image import decode

_SIDE, _CELLS, _DIRECTIONS = 64, 4, 8
# Colour varies less than brightness in photographs.
_CHANNEL_WEIGHTS = np.array([1.0, 2.0, 2.0], np.float32)
# Enough pairs for a median, and the same ones each time.
_SAMPLE = 400


def describe(data: bytes) -> np.ndarray:
    """Return the descriptor of an image file, float32 (176,).

    The Euclidean distance of two descriptors says how different the images are.

    Raises:
        ImageError: It cannot be read.
    """
    small = decode(data, (_SIDE, _SIDE)).pixels.resize((_SIDE, _SIDE), Image.Resampling.BOX)
    pixels = np.asarray(small.convert("YCbCr"), np.float32) / 255
    colours = _by_cell(pixels).mean(axis=(1, 3)) * _CHANNEL_WEIGHTS
    return np.concatenate([colours.ravel(), _gradients(pixels[:, :, 0])]).astype(np.float32)


def distances(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the distances (A, B) between descriptors (A, D) and (B, D)."""
    squares = (first**2).sum(axis=1)[:, None] + (second**2).sum(axis=1)[None] - 2 * first @ second.T
    return np.sqrt(np.maximum(squares, 0))


def _gradients(brightness: np.ndarray) -> np.ndarray:
    down, right = np.gradient(brightness)
    strength = np.hypot(down, right)
    direction = (np.arctan2(down, right) % np.pi) / np.pi * _DIRECTIONS
    of_direction = np.floor(direction).astype(int) % _DIRECTIONS
    sums = _by_cell((of_direction[:, :, None] == np.arange(_DIRECTIONS)) * strength[:, :, None]).sum(axis=(1, 3))
    histogram = sums.ravel()
    return histogram / (np.linalg.norm(histogram) + 0.1)  # the noise of a plain wall stays small


def _by_cell(values: np.ndarray) -> np.ndarray:
    """View (64, 64, C) as (4, 16, 4, 16, C)."""
    side = _SIDE // _CELLS
    return values.reshape(_CELLS, side, _CELLS, side, -1)


@dataclass(frozen=True)
class DescribedFrames:
    """Image descriptors, float32 (N, D), of frames, int (N,), by their relative numbers in the task."""

    descriptors: np.ndarray
    frames: np.ndarray


def typical_distance(descriptors: np.ndarray) -> float:
    """Return the median distance between two images (N, D); 0 if there is only one or all are the same."""
    if len(descriptors) < 2:
        return 0.0
    sample = descriptors[np.linspace(0, len(descriptors) - 1, min(len(descriptors), _SAMPLE)).astype(int)]
    return float(np.median(distances(sample, sample)[np.triu_indices(len(sample), 1)]))


def choose_frames(
    weights: np.ndarray,
    candidates: DescribedFrames,
    present: DescribedFrames,
    *,
    count: int,
    typical: float,
    gap: float = 0.0,
) -> tuple[list[int], list[float]]:
    """Choose frames greedily.

    Args:
        weights: (N,), above 0: what each candidate is worth alone.
        candidates: N frames.
        present: The annotated frames.
        count: How many to choose; fewer if there are fewer.
        typical: Distance from which two images count as different; 0 ignores descriptors.
        gap: Number of frames from which two frames of a video count as different; 0 for single images.

    Returns:
        Rows of the candidates in the order of the choice; the diversity of each when it was chosen, in [0, 1].
    """
    nearest = _Nearest(candidates, typical, gap)
    for first in range(0, len(present.frames), _SAMPLE):  # in parts: the matrix stays small
        nearest.add(present.descriptors[first : first + _SAMPLE], present.frames[first : first + _SAMPLE])
    free = np.ones(len(weights), bool)
    rows: list[int] = []
    diversity: list[float] = []
    for _ in range(min(count, len(weights))):
        values = np.where(free, weights * nearest.diversity, -1.0)
        # Of equals the farthest one: beyond "different enough" more distance is still better.
        best = int(np.lexsort((candidates.frames, -nearest.distance, -values))[0])
        rows.append(best)
        diversity.append(float(nearest.diversity[best]))
        free[best] = False
        nearest.add(candidates.descriptors[best : best + 1], candidates.frames[best : best + 1])
    return rows, diversity


class _Nearest:
    """Distance of candidates to the nearest frame that is annotated or chosen.

    Attributes:
        diversity: (N,) in [0, 1]: 0 for the same image, 1 for different enough.
        distance: (N,) in units of the typical distance, without a bound.
    """

    def __init__(self, candidates: DescribedFrames, typical: float, gap: float) -> None:
        self._candidates, self._typical, self._gap = candidates, typical, gap
        self.diversity = np.ones(len(candidates.frames))
        self.distance = np.full(len(candidates.frames), np.inf)

    def add(self, descriptors: np.ndarray, frames: np.ndarray) -> None:
        """Count frames, (M, D) and (M,), among those that are there."""
        diversity = np.ones((len(self.diversity), len(frames)))
        distance = np.zeros_like(diversity)
        if self._typical > 0:
            by_image = distances(self._candidates.descriptors, descriptors) / self._typical
            diversity *= np.minimum(1, by_image)
            distance += by_image
        if self._gap > 0:
            by_time = np.abs(self._candidates.frames[:, None] - frames[None]) / self._gap
            diversity *= np.minimum(1, by_time)
            distance += by_time
        self.diversity = np.minimum(self.diversity, diversity.min(axis=1))
        self.distance = np.minimum(self.distance, distance.min(axis=1))
