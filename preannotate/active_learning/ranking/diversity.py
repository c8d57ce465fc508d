"""Choosing frames one after the other: each time the one that is worth most for the frames like it.

A frame stands for the frames that look like it, as far as no annotated or chosen one stands for them already. How much
that is, times its own weight, is its value. With equal weights this is greedy facility location: it picks typical
frames of large groups first, neither near-duplicates of each other, as uncertainty alone does, nor outliers, as
k-center does. In a video, frames that are near in time count as alike: neighbours show the same scene even where light
and noise differ.

Distances are those of image descriptors: 176 numbers, with near-duplicates close together and different scenes far
apart. They have two halves of about the same weight, each on a grid of 4 x 4 cells: mean brightness and colour, which
is MPEG-7's colour layout without its last transform, and histograms of gradients in 8 directions. Both need only Pillow
and NumPy and a few milliseconds. Neither needs a network, because functions return boxes and no features.

Sources: facility location times uncertainty, K. Wei, R. Iyer, J. Bilmes, "Submodularity in data subset selection and
active learning", ICML 2015; typical frames where few are annotated, G. Hacohen, A. Dekel, D. Weinshall, "Active
learning on a budget: opposite strategies suit high and low budgets", arXiv:2202.02794; E. Kasutani, A. Yamada, "The
MPEG-7 color layout descriptor", ICIP 2001; N. Dalal, B. Triggs, "Histograms of oriented gradients for human detection",
CVPR 2005.
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
# Similarity falls to 1/e at this part of the typical distance: frames of the same scene are nearer.
SIMILAR = 0.5
# Of very many candidates, evenly chosen ones are what the others can stand for: the matrix stays below 80 MB.
_MOST_SIMILARITIES, _LEAST_REFERENCES = 20_000_000, 200


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


@dataclass(frozen=True)
class Choice:
    """A chosen candidate.

    Attributes:
        row: Of the candidates.
        diversity: In [0, 1] when it was chosen: 0 if it is the same image as an annotated or chosen one.
        stands_for: Number of other candidates that are more like it than like any annotated or chosen frame.
    """

    row: int
    diversity: float
    stands_for: int


def choose_frames(
    weights: np.ndarray,
    candidates: DescribedFrames,
    present: DescribedFrames,
    *,
    count: int,
    typical: float,
    gap: float = 0.0,
) -> list[Choice]:
    """Choose frames greedily, and return them in the order of the choice.

    Args:
        weights: (N,), above 0: what each candidate is worth alone.
        candidates: N frames.
        present: The annotated frames.
        count: How many to choose; fewer if there are fewer.
        typical: Distance of two images of the set; 0 if all are the same.
        gap: Number of frames from which two frames of a video are not alike for their time; 0 for single images.
    """
    coverage = _Coverage(candidates, typical, gap)
    for first in range(0, len(present.frames), _SAMPLE):  # in parts: the matrix stays small
        coverage.add(present.descriptors[first : first + _SAMPLE], present.frames[first : first + _SAMPLE])
    free = np.ones(len(weights), bool)
    choices: list[Choice] = []
    for _ in range(min(count, len(weights))):
        values = np.where(free, weights * coverage.gains(), -1.0)
        # Of equals, such as copies of the same image, the one that is worth most alone.
        best = int(np.lexsort((candidates.frames, coverage.covered, np.where(free, -weights, 0), -values))[0])
        choices.append(Choice(best, float(1 - coverage.covered[best]), coverage.stands_for(best)))
        free[best] = False
        coverage.add(candidates.descriptors[best : best + 1], candidates.frames[best : best + 1])
    return choices


class _Coverage:
    """How well annotated and chosen frames stand for the candidates.

    Attributes:
        covered: (N,) in [0, 1]: similarity of each candidate to the nearest annotated or chosen frame.
    """

    def __init__(self, candidates: DescribedFrames, typical: float, gap: float) -> None:
        self._candidates, self._typical, self._gap = candidates, typical, gap
        total = len(candidates.frames)
        count = min(total, max(_LEAST_REFERENCES, _MOST_SIMILARITIES // max(total, 1)))
        self._references = np.linspace(0, total - 1, count).astype(int)
        self._each = total / count  # candidates that a reference stands for
        self._others = np.ones(total)
        self._others[self._references] = 0.0
        self._similarity = self._similarities(
            candidates.descriptors[self._references], candidates.frames[self._references]
        )
        self.covered = np.zeros(total)

    def add(self, descriptors: np.ndarray, frames: np.ndarray) -> None:
        """Count frames, (M, D) and (M,), among those that are annotated or chosen."""
        self.covered = np.maximum(self.covered, self._similarities(descriptors, frames).max(axis=1))

    def gains(self) -> np.ndarray:
        """(N,): for how many candidates each one would newly stand, itself included."""
        more = np.maximum(self._similarity - self.covered[self._references].astype(np.float32), 0).sum(axis=1)
        return more * self._each + self._others * (1 - self.covered)

    def stands_for(self, row: int) -> int:
        """Return the number of other candidates that a candidate is the most similar frame of; see `Choice`."""
        similarity = self._similarity[row]
        nearest = (similarity >= np.exp(-1)) & (similarity > self.covered[self._references]) & (self._references != row)
        return round(int(nearest.sum()) * self._each)

    def _similarities(self, descriptors: np.ndarray, frames: np.ndarray) -> np.ndarray:
        """(N, M) float32 in [0, 1]: 1 for the same image, or the same frame of a video."""
        if self._typical > 0:
            away = distances(self._candidates.descriptors, descriptors) / (SIMILAR * self._typical)
            similarity = np.exp(-np.square(away))
        else:
            # All images are the same; in a video, time still tells them apart.
            similarity = np.full((len(self._candidates.frames), len(frames)), 0.0 if self._gap > 0 else 1.0)
        if self._gap > 0:
            apart = np.abs(self._candidates.frames[:, None] - frames[None]) / self._gap
            similarity = np.maximum(similarity, 1 - np.minimum(apart, 1))
        return similarity.astype(np.float32)
