"""The order in which frames are worth annotating: uncertainty, rare labels and diversity together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from preannotate.active_learning.ranking.diversity import DescribedFrames, choose_frames, distances, typical_distance
from preannotate.active_learning.ranking.uncertainty import (
    UncertaintyReason,
    combined,
    competing_labels,
    near_threshold,
    nothing_found,
    rare_labels,
)
from runtime.detector import Detection

# A model that is certain everywhere still learns from images unlike those that it knows.
MIN_WEIGHT = 0.05
# Similar images that say what an image without detections may show; odd, so that there is a majority.
NEIGHBOURS = 5
# Half of the typical distance: frames of the same scene are nearer.
SIMILAR = 0.5
_MAX_REASONS = 3


@dataclass(frozen=True)
class RankedFrame:
    """A frame to annotate.

    Attributes:
        frame: Relative number in the task.
        uncertainty: In [0, 1].
        diversity: In [0, 1]: how different it is from annotated frames and from those ranked before it.
        reasons: Texts for people, the weightiest first; at least one.
    """

    frame: int
    uncertainty: float
    diversity: float
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class AnnotatedFrames:
    """What is annotated in a task.

    `labels` is annotated frame to the labels on it, an empty set if people saw that nothing is there; `boxes` is label
    to number of annotated boxes.
    """

    labels: Mapping[int, frozenset[str]]
    boxes: Mapping[str, int]
    video: bool = False


def rank_frames(
    detections: Mapping[int, Sequence[Detection]],
    descriptors: Mapping[int, np.ndarray],
    thresholds: Sequence[float],
    annotated: AnnotatedFrames,
    *,
    top: int,
) -> list[RankedFrame]:
    """Return candidates in order, the most useful first.

    Args:
        detections: Candidate frame to detections, down to a low score.
        descriptors: Frame, candidate or annotated, to its image descriptor (D,); frames without one are left out.
        thresholds: Score thresholds of the classes.
        annotated: What is annotated already.
        top: Number of frames to return; fewer if there are fewer candidates.
    """
    frames = sorted(detections.keys() & descriptors.keys())
    if not frames:
        return []
    candidates = _described(frames, descriptors)
    present = _described(sorted(annotated.labels.keys() & descriptors.keys()), descriptors)
    typical = typical_distance(np.concatenate([candidates.descriptors, present.descriptors]))
    found = [
        frozenset(one.label for one in detections[frame] if one.score >= thresholds[one.class_id]) for frame in frames
    ]
    neighbours = _neighbours(candidates, present, found, annotated, typical)
    reasons = [
        [
            *near_threshold(detections[frame], thresholds),
            *competing_labels(detections[frame], thresholds),
            *nothing_found(detections[frame], thresholds, neighbours.get(row, ())),
            *rare_labels(detections[frame], thresholds, annotated.boxes),
        ]
        for row, frame in enumerate(frames)
    ]
    uncertainty = np.array([combined(of_frame) for of_frame in reasons])
    weights = MIN_WEIGHT + (1 - MIN_WEIGHT) * uncertainty
    gap = (frames[-1] - frames[0] + 1) / (2 * min(top, len(frames))) if annotated.video else 0.0
    rows, diversity = choose_frames(weights, candidates, present, count=top, typical=typical, gap=gap)
    unlike = _unlike(candidates, present, typical)
    return [
        RankedFrame(frames[row], float(uncertainty[row]), share, _texts(reasons[row], bool(unlike[row]), share))
        for row, share in zip(rows, diversity, strict=True)
    ]


def _described(frames: Sequence[int], descriptors: Mapping[int, np.ndarray]) -> DescribedFrames:
    length = len(next(iter(descriptors.values())))
    stacked = np.array([descriptors[frame] for frame in frames], np.float32).reshape(-1, length)
    return DescribedFrames(stacked, np.array(frames, int))


def _neighbours(
    candidates: DescribedFrames,
    present: DescribedFrames,
    found: Sequence[frozenset[str]],
    annotated: AnnotatedFrames,
    typical: float,
) -> dict[int, list[frozenset[str]]]:
    """Row of each candidate without detections to the labels on its most similar frames, if they are similar."""
    labels = [*found, *(annotated.labels[frame] for frame in present.frames.tolist())]
    descriptors = np.concatenate([candidates.descriptors, present.descriptors])
    result = {}
    for row in (row for row, of_frame in enumerate(found) if not of_frame):
        away = distances(candidates.descriptors[row : row + 1], descriptors)[0]
        away[row] = np.inf
        nearest = np.argsort(away, kind="stable")[:NEIGHBOURS]
        if len(nearest) == NEIGHBOURS and away[nearest[-1]] <= SIMILAR * typical:
            result[row] = [labels[other] for other in nearest]
    return result


def _unlike(candidates: DescribedFrames, present: DescribedFrames, typical: float) -> np.ndarray:
    """(N,): whether a candidate is at least the typical distance away from all annotated frames."""
    if not len(present.frames) or typical <= 0:
        return np.zeros(len(candidates.frames), bool)
    return distances(candidates.descriptors, present.descriptors).min(axis=1) >= typical


def _texts(reasons: Sequence[UncertaintyReason], unlike: bool, diversity: float) -> tuple[str, ...]:
    weightiest = sorted(reasons, key=lambda one: -one.weight)[:_MAX_REASONS]
    texts = [reason.text for reason in weightiest if reason.weight > 0]
    if unlike:
        texts.append("unlike all annotated frames")
    if not texts:
        return (f"the model is certain; the frame {'looks new' if diversity >= SIMILAR else 'looks like others'}",)
    return tuple(texts)
