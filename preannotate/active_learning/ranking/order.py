"""The order in which frames are worth annotating: doubt, rarity and what they look like, put together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from preannotate.active_learning.ranking.diversity import DescribedFrames, choose_frames, typical_distance
from preannotate.active_learning.ranking.image_descriptors import distances
from preannotate.active_learning.ranking.uncertainty import (
    UncertaintyReason,
    combined,
    competing_labels,
    near_threshold,
    nothing_found,
    rare_labels,
)
from runtime.detector import Detection

# A model that doubts nothing still learns from images unlike those that it knows.
MIN_WEIGHT = 0.05
# Images that are asked about what they show where nothing is found; odd, so that most is most.
NEIGHBOURS = 5
# Half as far as two images usually are: a frame that shows the same scene.
ALIKE = 0.5
_MOST_GROUNDS = 3


@dataclass(frozen=True)
class RankedFrame:
    """A frame to annotate.

    Attributes:
        frame: Relative number.
        doubt: In [0, 1]; see `doubt`.
        spread: In [0, 1]: how unlike it is to what is annotated and to the frames before it.
        reasons: In words, the weightiest first; at least one.
    """

    frame: int
    doubt: float
    spread: float
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Annotated:
    """What is known about a task besides the candidates.

    Attributes:
        shown: Annotated frame to the labels on it.
        boxes: Label to number of annotated boxes.
        video: Whether frames follow one another.
    """

    shown: Mapping[int, frozenset[str]]
    boxes: Mapping[str, int]
    video: bool = False


def rank_frames(
    found: Mapping[int, Sequence[Detection]],
    looks: Mapping[int, np.ndarray],
    thresholds: Sequence[float],
    known: Annotated,
    *,
    top: int,
) -> list[RankedFrame]:
    """Order candidates, the most useful first.

    Args:
        found: Candidate (frame) to detections, down to a low score.
        looks: Frame, candidate or annotated, to its description.
        thresholds: Of the classes.
        known: About the task.
        top: How many are wanted.
    """
    frames = sorted(frame for frame in found if frame in looks)
    if not frames:
        return []
    candidates = _place(frames, looks)
    present = _place(sorted(frame for frame in known.shown if frame in looks), looks, candidates.looks.shape[1])
    typical = typical_distance(np.concatenate([candidates.looks, present.looks]))
    neighbours = _neighbours(frames, candidates, present, found, thresholds, known, typical)
    grounds = {
        frame: [
            *near_threshold(found[frame], thresholds),
            *competing_labels(found[frame], thresholds),
            *nothing_found(found[frame], thresholds, neighbours.get(frame, ())),
            *rare_labels(found[frame], thresholds, known.boxes),
        ]
        for frame in frames
    }
    doubts = np.array([combined(grounds[frame]) for frame in frames])
    worth = MIN_WEIGHT + (1 - MIN_WEIGHT) * doubts
    gap = (frames[-1] - frames[0] + 1) / (2 * min(top, len(frames))) if known.video else 0.0
    rows, shares = choose_frames(worth, candidates, present, count=top, typical=typical, gap=gap)
    unlike = _unlike(candidates, present, typical)
    return [
        RankedFrame(frames[row], float(doubts[row]), share, _reasons(grounds[frames[row]], bool(unlike[row]), share))
        for row, share in zip(rows, shares, strict=True)
    ]


def _place(frames: Sequence[int], looks: Mapping[int, np.ndarray], width: int = 0) -> DescribedFrames:
    stacked = np.stack([looks[frame] for frame in frames]) if frames else np.zeros((0, width), np.float32)
    return DescribedFrames(stacked, np.array(frames, int))


def _neighbours(
    frames: Sequence[int],
    candidates: DescribedFrames,
    present: DescribedFrames,
    found: Mapping[int, Sequence[Detection]],
    thresholds: Sequence[float],
    known: Annotated,
    typical: float,
) -> dict[int, list[frozenset[str]]]:
    """Frame on which nothing is found to the labels on those that look like it."""
    sure = [frozenset(one.label for one in found[f] if one.score >= thresholds[one.class_id]) for f in frames]
    shown = [*sure, *(known.shown[frame] for frame in present.frames.tolist())]
    everything = np.concatenate([candidates.looks, present.looks])
    result = {}
    for row in (row for row, labels in enumerate(sure) if not labels):
        away = distances(candidates.looks[row : row + 1], everything)[0]
        away[row] = np.inf
        nearest = np.argsort(away, kind="stable")[:NEIGHBOURS]
        if len(nearest) == NEIGHBOURS and away[nearest[-1]] <= ALIKE * typical:
            result[frames[row]] = [shown[other] for other in nearest]
    return result


def _unlike(candidates: DescribedFrames, present: DescribedFrames, typical: float) -> np.ndarray:
    """(N,): whether a candidate is farther from all annotated frames than two frames usually are."""
    if not len(present.frames) or typical <= 0:
        return np.zeros(len(candidates.frames), bool)
    return distances(candidates.looks, present.looks).min(axis=1) >= typical


def _reasons(grounds: Sequence[UncertaintyReason], unlike: bool, share: float) -> tuple[str, ...]:
    said = [ground.text for ground in sorted(grounds, key=lambda one: -one.weight)[:_MOST_GROUNDS] if ground.weight > 0]
    if unlike:
        said.append("unlike all annotated frames")
    if not said:
        return ("the model is sure of what it sees; " + ("looks new" if share >= ALIKE else "looks like others"),)
    return tuple(said)
