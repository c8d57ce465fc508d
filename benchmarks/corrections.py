"""How long correcting a model's boxes takes on photos that it has not seen, against drawing all of them.

    python benchmarks/corrections.py functions/NAME DATA --images eval_test.txt [--costs draw=25,delete=3]

The model (a built function, asked through its own handler, or a run) shows what reaches its own thresholds, as CVAT's
automatic annotation gets it. The seconds are assumptions: docs/report.md says where they come from; without --costs
they are those by which the thresholds were chosen. The interval is a bootstrap over the photos. `--name` appends the
line to benchmarks/results/corrections.json.
"""

import dataclasses
from pathlib import Path

import numpy as np
from results import describe_machine, model_parser, read_names, report

from evaluation import bootstrap, scores
from evaluation.corrections import CorrectionCosts, Corrections, corrections_by_image
from preannotate.model_evaluation.evaluate import detect_on_exports
from preannotate.model_evaluation.report import parse_costs


def main() -> None:
    parser = model_parser(__doc__.splitlines()[0])
    parser.add_argument("--costs", default="", help="seconds, such as draw=25,delete=3,adjust=8,relabel=4,check=1.8")
    options = parser.parse_args()
    figures = measure(options.model, options.data, read_names(options.images), options.costs)
    report(figures, "corrections.json", options.name)


def measure(model: Path, data: Path, only: list[str] | None, costs_text: str) -> dict:
    """One line of results, plain JSON."""
    answers = detect_on_exports(model, [data], only=only)
    costs = parse_costs(costs_text, CorrectionCosts(**answers.manifest.provenance.get("correction_costs", {})))
    by_image = corrections_by_image(answers.images, answers.detections, answers.manifest.postprocess)
    total = sum(by_image, Corrections())
    with_model = np.array([item.seconds(costs) for item in by_image])
    from_nothing = np.array([costs.draw * len(image.boxes) for image in answers.images])
    part = bootstrap.estimate_ratio(with_model, from_nothing)
    found = scores.score(answers.manifest.labels, answers.images, answers.detections)
    return {
        "images": len(answers.images),
        "boxes": found.boxes,
        "map50": round(found.map50, 4),
        "mean_ap": round(found.mean_ap, 4),
        "costs": costs.to_json(),
        "thresholds": dict(zip(answers.manifest.labels, answers.manifest.postprocess.thresholds, strict=True)),
        "corrections": dataclasses.asdict(total),
        "seconds_correcting": round(float(with_model.sum()), 1),
        "seconds_from_nothing": round(float(from_nothing.sum()), 1),
        "part": round(part.value, 3),
        "part_interval": [round(part.low, 3), round(part.high, 3)],
        "part_without_checking": round(float((with_model.sum() - costs.check * total.shown) / from_nothing.sum()), 3),
        "machine": describe_machine(),
    }


if __name__ == "__main__":
    main()
