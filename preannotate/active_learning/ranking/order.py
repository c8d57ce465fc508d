"""The order in which frames are worth annotating: uncertainty, expected objects, and the frames that each stands for.

With few annotated frames a model is uncertain everywhere, and what it says of itself is worth little: frames that many
others look like are worth most then. The more are annotated, the more its uncertainty counts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from preannotate.active_learning.ranking.diversity import (
    SIMILAR,
    Choice,
    DescribedFrames,
    choose_frames,
    distances,
    typical_distance,
)
from preannotate.active_learning.ranking.uncertainty import (
    UncertaintyReason,
    combined,
    competing_labels,
    near_threshold,
    nothing_found,
    rare_labels,
    unsure_masks,
)
from preannotate.core.text import plural
from runtime.detector import Detection

# Uncertainty counts a quarter with no annotated frame, half with 20, and three quarters with 80.
TRUST_FROM, HALF_TRUST = 10, 30
# What a frame without objects is worth, relative to one with as many as most.
NO_OBJECTS = 0.2
# Similar images that say what an image without detections may show; odd, so that there is a majority.
NEIGHBOURS = 5
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
            *unsure_masks(detections[frame], thresholds),
            *nothing_found(detections[frame], thresholds, neighbours.get(row, ())),
            *rare_labels(detections[frame], thresholds, annotated.boxes),
        ]
        for row, frame in enumerate(frames)
    ]
    uncertainty = np.array([combined(of_frame) for of_frame in reasons])
    trust = (len(annotated.labels) + TRUST_FROM) / (len(annotated.labels) + TRUST_FROM + HALF_TRUST)
    weights = (1 - trust + trust * uncertainty) * _object_weights([detections[frame] for frame in frames])
    gap = (frames[-1] - frames[0] + 1) / (2 * min(top, len(frames))) if annotated.video else 0.0
    choices = choose_frames(weights, candidates, present, count=top, typical=typical, gap=gap)
    unlike = _unlike(candidates, present, typical)
    return [
        RankedFrame(
            frames[choice.row],
            float(uncertainty[choice.row]),
            choice.diversity,
            _texts(reasons[choice.row], bool(unlike[choice.row]), choice),
        )
        for choice in choices
    ]


def _object_weights(detections: Sequence[Sequence[Detection]]) -> np.ndarray:
    """(N,): the square root of the expected objects of each frame, relative to their mean; never 0.

    The sum of scores is what a model expects. Of two frames that are alike otherwise, the one with more objects
    teaches more; the root, because people also take longer for it.
    """
    expected = np.array([sum(one.score for one in of_frame) for of_frame in detections])
    mean = expected.mean() if len(expected) else 0.0
    return np.sqrt(NO_OBJECTS + expected / mean) if mean > 0 else np.ones(len(expected))


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


def _texts(reasons: Sequence[UncertaintyReason], unlike: bool, choice: Choice) -> tuple[str, ...]:
    weightiest = sorted(reasons, key=lambda one: -one.weight)[:_MAX_REASONS]
    texts = [reason.text for reason in weightiest if reason.weight > 0]
    if choice.stands_for:
        texts.append(f"stands for {plural(choice.stands_for, 'similar frame')} without annotations")
    if unlike:
        texts.append("unlike all annotated frames")
    if not texts:
        return (f"the model is certain; the frame {'looks new' if choice.diversity >= 0.5 else 'looks like others'}",)
    return tuple(texts)
