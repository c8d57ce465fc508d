"""How many planted mistakes `preannotate review` ranks first, on annotated images that the model has not seen.

    python benchmarks/review.py functions/NAME DATA --images review.txt [--part 0.2] [--rounds 20] [--name NAME]

The annotations of DATA are taken as right. In each round a part of the boxes is broken, another part each time: a box
is deleted, a needless one drawn, a label swapped, a box shifted by 25 to 40 % of its size both ways, or drawn twice.
Then all disagreements are ranked as `review` does. A planted mistake is found if one of the first N names its place
on its frame, where N is the number of planted mistakes: precision and recall are then the same figure. Below that:
within the first 2 N, and by kind. What DATA itself has wrong counts against it. `--name` appends the line to
benchmarks/results/review.json.
"""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from results import describe_machine, model_parser, read_names, report

from preannotate.active_learning.frame_inference import MIN_SCORE
from preannotate.active_learning.review.disagreements import Disagreement, DisagreementKind, find_disagreements
from preannotate.active_learning.review.reviewed_frames import AnnotatedBox, ReviewedFrame
from preannotate.formats.records import Box
from preannotate.model_evaluation.evaluate import detect_on_exports
from runtime.boxes import iou

# Of the same place from this overlap on: half of what both cover.
SAME_PLACE_FROM = 0.5


@dataclass(frozen=True)
class Planted:
    """A mistake: what kind, on which frame, around which box."""

    kind: str
    frame: int
    box: Box


def main() -> None:
    parser = model_parser(__doc__.splitlines()[0])
    parser.add_argument("--part", type=float, default=0.2, help="of the boxes to break (default: 0.2)")
    parser.add_argument("--rounds", type=int, default=20, help="each breaks other boxes (default: 20)")
    options = parser.parse_args()
    figures = measure(options.model, options.data, read_names(options.images), options.part, options.rounds)
    report(figures, "review.json", options.name)


def measure(model: Path, data: Path, only: list[str] | None, part: float, rounds: int) -> dict:
    """One line of results, plain JSON."""
    answers = detect_on_exports(model, [data], only=only)
    labels = answers.manifest.labels
    thresholds = answers.manifest.postprocess.thresholds
    detections = [tuple(one for one in found if one.score >= MIN_SCORE) for found in answers.detections]
    right = [
        [
            AnnotatedBox(labels[known], int(known), tuple(map(float, box)))
            for box, known in zip(image.boxes, image.class_ids, strict=True)
        ]
        for image in answers.images
    ]
    at_n, at_2n, precision_10, made, found_of, made_of = [], [], [], 0, Counter(), Counter()
    for seed in range(rounds):
        drawn, planted = plant(right, [image.size for image in answers.images], labels, part, seed)
        views = [ReviewedFrame(i, tuple(mine), detections[i]) for i, mine in enumerate(drawn)]
        ranked = find_disagreements(views, thresholds)
        first = hits(ranked[: len(planted)], planted)
        at_n.append(len(first) / len(planted))
        at_2n.append(len(hits(ranked[: 2 * len(planted)], planted)) / len(planted))
        precision_10.append(len(hits(ranked[:10], planted)) / 10)
        made += len(planted)
        made_of.update(one.kind for one in planted)
        found_of.update(one.kind for one in first)
    return {
        "images": len(right),
        "boxes": sum(map(len, right)),
        "part": part,
        "rounds": rounds,
        "planted_each_round": made / rounds,
        "already_there": Counter(one.kind for one in find_disagreements(_views(right, detections), thresholds)),
        "precision_first_10": _mean(precision_10),
        "found_in_first_n": _mean(at_n),
        "found_in_first_n_range": [round(min(at_n), 3), round(max(at_n), 3)],
        "found_in_first_2n": _mean(at_2n),
        "found_in_first_n_by_kind": {kind: round(found_of[kind] / made_of[kind], 3) for kind in sorted(made_of)},
        "machine": describe_machine(),
    }


def plant(
    right: list[list[AnnotatedBox]], sizes: list[tuple[int, int]], labels: tuple[str, ...], part: float, seed: int
) -> tuple[list[list[AnnotatedBox]], list[Planted]]:
    """Annotations with mistakes, and where they are: each kind as often as the others."""
    random = np.random.default_rng(seed)
    drawn: list[list[AnnotatedBox | None]] = [list(mine) for mine in right]
    places = [(frame, row) for frame, mine in enumerate(right) for row in range(len(mine))]
    chosen = random.permutation(len(places))[: max(5, round(part * len(places)))]
    all_kinds = [kind for kind in DisagreementKind if kind != DisagreementKind.LABEL or len(labels) > 1]
    planted = []
    for number, place in enumerate(chosen):
        frame, row = places[place]
        one, kind = right[frame][row], all_kinds[number % len(all_kinds)]
        box = one.box
        if kind == DisagreementKind.MISSING:
            drawn[frame][row] = None
        elif kind == DisagreementKind.EXTRA:
            box = _elsewhere(random, [other.box for other in right[frame]], one.box, sizes[frame])
            if box is None:
                continue
            drawn[frame].append(AnnotatedBox(one.label, one.class_id, box))
        elif kind == DisagreementKind.LOOSE:
            box = _moved(random, one.box, 0.25, 0.4, sizes[frame])
            drawn[frame][row] = AnnotatedBox(one.label, one.class_id, box)
        elif kind == DisagreementKind.DUPLICATE:
            box = _moved(random, one.box, 0.02, 0.08, sizes[frame])
            drawn[frame].append(AnnotatedBox(one.label, one.class_id, box))
        else:
            other = (one.class_id + 1 + int(random.integers(len(labels) - 1))) % len(labels)
            drawn[frame][row] = AnnotatedBox(labels[other], other, one.box)
        planted.append(Planted(kind, frame, box))
    return [[one for one in mine if one is not None] for mine in drawn], planted


def hits(ranked: list[Disagreement], planted: list[Planted]) -> list[Planted]:
    """The planted mistakes whose place is named by some of the ranked ones."""
    return [mistake for mistake in planted if any(_names(one, mistake) for one in ranked)]


def _names(one: Disagreement, mistake: Planted) -> bool:
    boxes = np.array([*one.annotated, *([one.model] if one.model else [])], np.float32)
    near = iou(np.array([mistake.box], np.float32), boxes).max() >= SAME_PLACE_FROM
    return one.frame == mistake.frame and bool(near)


def _views(drawn: list[list[AnnotatedBox]], detections: list[tuple]) -> list[ReviewedFrame]:
    return [ReviewedFrame(i, tuple(mine), detections[i]) for i, mine in enumerate(drawn)]


def _moved(random: np.random.Generator, box: Box, least: float, most: float, size: tuple[int, int]) -> Box:
    width, height = box[2] - box[0], box[3] - box[1]
    by = random.uniform(least, most, 2) * random.choice([-1, 1], 2) * (width, height)
    return _inside((box[0] + by[0], box[1] + by[1], box[2] + by[0], box[3] + by[1]), size)


def _inside(box: Box, size: tuple[int, int]) -> Box:
    return tuple(float(min(max(value, 0), size[axis % 2])) for axis, value in enumerate(box))


def _elsewhere(random: np.random.Generator, taken: list[Box], box: Box, size: tuple[int, int]) -> Box | None:
    """A box of the same size where nothing is; None if there is no room."""
    width, height = box[2] - box[0], box[3] - box[1]
    for _ in range(200):
        x, y = random.uniform(0, max(size[0] - width, 1)), random.uniform(0, max(size[1] - height, 1))
        new = _inside((x, y, x + width, y + height), size)
        if iou(np.array([new], np.float32), np.array(taken, np.float32)).max() < 0.05:
            return new
    return None


def _mean(values: list[float]) -> float:
    return round(float(np.mean(values)), 3)


if __name__ == "__main__":
    main()
