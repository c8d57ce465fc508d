"""Choosing one after the other, each time what is worth most and is not like what is there already.

What an image is worth is divided by how near it lies to the nearest one that is annotated or chosen: an image that
looks like one of those is worth nothing, one as far away as two images of the set usually are counts fully. With
equal worth this is greedy k-center, which picks the image farthest from all that is there. In a video the number
of frames between two counts as well: neighbours show the same thing even where light and noise make them differ.

Sources: k-center, O. Sener, S. Savarese, "Active learning for convolutional neural networks: a core-set approach",
arXiv:1708.00489, algorithm 1; worth times distance as in C. Yang, L. Huang, E. J. Crowley, "Plug and play active
learning for object detection", arXiv:2211.11612, which chooses by uncertainty and then by diversity.
"""

from dataclasses import dataclass

import numpy as np

from preannotate.active_learning.ranking.image_descriptors import distances

# Enough pairs for a median, and the same ones each time.
_SAMPLE = 400


@dataclass(frozen=True)
class DescribedFrames:
    """Where images lie.

    Attributes:
        looks: (N, D), from `looks.describe`.
        frames: (N,), relative numbers.
    """

    looks: np.ndarray
    frames: np.ndarray


def typical_distance(looks: np.ndarray) -> float:
    """The median distance of two images (N, D); 0 if there are no two or all are the same."""
    if len(looks) < 2:
        return 0.0
    sample = looks[np.linspace(0, len(looks) - 1, min(len(looks), _SAMPLE)).astype(int)]
    return float(np.median(distances(sample, sample)[np.triu_indices(len(sample), 1)]))


def choose_frames(
    worth: np.ndarray,
    candidates: DescribedFrames,
    present: DescribedFrames,
    *,
    count: int,
    typical: float,
    gap: float = 0.0,
) -> tuple[list[int], list[float]]:
    """Choose images.

    Args:
        worth: (N,), above 0.
        candidates: N images.
        present: Those that are annotated.
        count: How many to choose; fewer if there are fewer.
        typical: Distance from which two images do not look alike; 0 leaves looks aside.
        gap: Number of frames from which two frames of a video count as different; 0 for single images.

    Returns:
        Rows of the candidates in the order of the choice, and how much of each one's worth counted when it was
        chosen, in [0, 1].
    """
    nearest = _Nearest(candidates, typical, gap)
    for first in range(0, len(present.frames), _SAMPLE):  # a part at a time: the matrix stays small
        nearest.add(present.looks[first : first + _SAMPLE], present.frames[first : first + _SAMPLE])
    free = np.ones(len(worth), bool)
    rows, shares = [], []
    for _ in range(min(count, len(worth))):
        values = np.where(free, worth * nearest.apart, -1.0)
        # Of equals the one farthest away: what is different enough is still the better the more it differs.
        best = int(np.lexsort((candidates.frames, -nearest.away, -values))[0])
        rows.append(best)
        shares.append(float(nearest.apart[best]))
        free[best] = False
        nearest.add(candidates.looks[best : best + 1], candidates.frames[best : best + 1])
    return rows, shares


class _Nearest:
    """How far candidates are from the nearest image that is there.

    Attributes:
        apart: (N,) in [0, 1]: 0 for the same, 1 for different enough.
        away: (N,) without a bound.
    """

    def __init__(self, candidates: DescribedFrames, typical: float, gap: float) -> None:
        self._candidates, self._typical, self._gap = candidates, typical, gap
        self.apart = np.ones(len(candidates.frames))
        self.away = np.full(len(candidates.frames), np.inf)

    def add(self, looks: np.ndarray, frames: np.ndarray) -> None:
        """These are there, too: (M, D) and (M,)."""
        apart = np.ones((len(self.apart), len(frames)))
        away = np.zeros_like(apart)
        if self._typical > 0:
            differing = distances(self._candidates.looks, looks) / self._typical
            apart *= np.minimum(1, differing)
            away += differing
        if self._gap > 0:
            between = np.abs(self._candidates.frames[:, None] - frames[None]) / self._gap
            apart *= np.minimum(1, between)
            away += between
        self.apart = np.minimum(self.apart, apart.min(axis=1))
        self.away = np.minimum(self.away, away.min(axis=1))
