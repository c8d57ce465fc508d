"""Whether the model is wrong where it is uncertain: the part of `preannotate rank` that needs no annotators.

    python benchmarks/ranking.py functions/NAME DATA --images review.txt [--first 15] [--name NAME]

A model runs on annotated images that it was not trained on, as if they were not annotated. They are ordered by its
uncertainty (`preannotate.active_learning.ranking.uncertainty`; neighbours, rare labels and diversity are left out). An
image is wrong if the detections above the thresholds have a false box, miss an object or give it another label.
Figures: how many of the first N are wrong, against all; and how likely a wrong image is more uncertain than a right one
(0.5 would be chance). Whether a training on these images becomes better is not measured.

`--name` appends the line to benchmarks/results/ranking.json.
"""

from pathlib import Path

import numpy as np
from results import describe_machine, model_parser, read_names, report

from evaluation.ground_truth import AnnotatedImage
from evaluation.outcomes import ImageComparison
from preannotate.active_learning.frame_inference import MIN_SCORE
from preannotate.active_learning.ranking.uncertainty import combined, competing_labels, near_threshold
from preannotate.model_evaluation.evaluate import detect_on_exports
from runtime.detector import Detection


def main() -> None:
    parser = model_parser(__doc__.splitlines()[0])
    parser.add_argument("--first", type=int, default=15, help="images at the top to look at (default: 15)")
    options = parser.parse_args()
    figures = measure(options.model, options.data, read_names(options.images), options.first)
    report(figures, "ranking.json", options.name)


def measure(model: Path, data: Path, only: list[str] | None, first: int) -> dict:
    """One line of results, plain JSON."""
    answers = detect_on_exports(model, [data], only=only)
    thresholds = answers.manifest.postprocess.thresholds
    found = [[one for one in mine if one.score >= MIN_SCORE] for mine in answers.detections]
    wrong = np.array(
        [is_wrong(image, mine, thresholds) for image, mine in zip(answers.images, found, strict=True)], bool
    )
    uncertainty = np.array(
        [combined([*near_threshold(mine, thresholds), *competing_labels(mine, thresholds)]) for mine in found]
    )
    order = np.argsort(-uncertainty, kind="stable")
    more = uncertainty[wrong][:, None] - uncertainty[~wrong][None]
    return {
        "images": len(wrong),
        "wrong": round(float(wrong.mean()), 3),
        "first": first,
        "wrong_of_the_first": round(float(wrong[order[:first]].mean()), 3),
        "wrong_is_more_uncertain": round(float(((more > 0) + (more == 0) / 2).mean()), 3) if more.size else None,
        "machine": describe_machine(),
    }


def is_wrong(image: AnnotatedImage, found: list[Detection], thresholds: tuple[float, ...]) -> bool:
    """Whether somebody would have to draw, delete or relabel a box."""
    boxes = np.array([one.box for one in found], np.float32).reshape(-1, 4)
    class_ids = np.array([one.class_id for one in found], int)
    shown = np.array([one.score >= thresholds[one.class_id] for one in found], bool)
    outcome = ImageComparison(boxes, class_ids, image.boxes, image.class_ids).outcome(shown)
    return bool(outcome.false or outcome.missed) or not all(pair.same_label for pair in outcome.pairs)


if __name__ == "__main__":
    main()
