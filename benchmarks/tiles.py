"""What tiles gain and what they take: a trained model with whole images, and with 2 x 2 and 3 x 3 tiles.

    python benchmarks/tiles.py runs/NAME DATA --images eval_test.txt [--tiles 2] [--name NAME]

The model is a run or a built function; it should have been trained for tiles (`tiles=2` or `3`, or auto where objects
are small), or there is little to gain. For each way thresholds and suppression are chosen anew on the run's frozen
validation images, as in training; the figures are those on the validation images and on DATA, which neither training
nor that choice has seen: mAP50 and mAP, those of masks too if the model gives masks, seconds of corrections and
milliseconds of an image from its file on, both means of all images. `used` says what the model itself does
(`model.json`). `--name` appends to
benchmarks/results/tiles.json.
"""

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from results import describe_machine, model_parser, read_names, report

from builder.function_directory import FunctionDirectory
from builder.variants import GRAPHS, find_graph
from evaluation import ground_truth, scores
from evaluation.corrections import CorrectionCosts, Corrections, corrections_by_image
from evaluation.ground_truth import GroundTruth
from evaluation.postprocess import choose_postprocess
from preannotate.model_evaluation.evaluate import load_ground_truth
from runtime import engines
from runtime.detector import Detection, Detector
from runtime.manifest import Manifest, Postprocess, Tiles


def main() -> None:
    parser = model_parser(__doc__.splitlines()[0])
    parser.add_argument("--tiles", type=int, nargs="+", default=[2, 3], choices=(2, 3, 4), help="tiles a side")
    options = parser.parse_args()
    detector, validation = _load(options.model)
    manifest = detector.manifest
    validation = _comparable(validation, manifest)
    with tempfile.TemporaryDirectory() as store:
        test = _comparable(
            load_ground_truth(
                [options.data],
                Path(store),
                manifest.labels,
                only=read_names(options.images),
                masks=manifest.mask_head is not None,
            ),
            manifest,
        )
        ways = {
            _name(tiles): _measure(detector, tiles, validation, test) for tiles in (None, *map(Tiles, options.tiles))
        }
    figures = {
        "model": manifest.family,
        "input_size": list(manifest.input_size),
        "used": _name(manifest.tiles),
        "trained_for": manifest.provenance.get("arguments", {}).get("tiles", "none"),
        "images": {"validation": len(validation.images), "test": len(test.images)},
        "ways": ways,
        "machine": describe_machine(),
    }
    report(figures, "tiles.json", options.name)


def _load(model: Path) -> tuple[Detector, GroundTruth]:
    """Return the model and its frozen validation images."""
    if function := FunctionDirectory.find(model):
        engine = engines.load("openvino", function.path)
        return Detector(engine, Manifest.read(function.path)), ground_truth.read(function.validation)
    export = model / "export"
    graph = (find_graph(export) or (export, GRAPHS["saved_model"]))[1]
    engine = engines.load(graph.engine, export / graph.engine_folder)
    return Detector(engine, Manifest.read(export)), ground_truth.read(export / "validation")


def _comparable(truth: GroundTruth, manifest: Manifest) -> GroundTruth:
    """Return the ground truth with the masks that people get, as training scores it."""
    return replace(truth, images=ground_truth.with_answered_masks(truth.images, manifest.label_type))


def _name(tiles: Tiles | None) -> str:
    return "whole images" if tiles is None else f"{tiles.per_side} x {tiles.per_side} tiles"


@dataclass(frozen=True)
class Detected:
    """What was detected on images, down to a low score, and the milliseconds of an image."""

    truth: GroundTruth
    detections: Sequence[Sequence[Detection]]
    milliseconds: float

    def figures(self, labels: Sequence[str], postprocess: Postprocess) -> dict[str, Any]:
        """Plain JSON."""
        found = scores.score(labels, self.truth.images, self.detections)
        masks = scores.score_masks(labels, self.truth.images, self.detections)
        of_masks = {"mask_map50": round(masks.map50, 4), "mask_mean_ap": round(masks.mean_ap, 4)} if masks else {}
        total = sum(corrections_by_image(self.truth.images, self.detections, postprocess), Corrections())
        return {
            "map50": round(found.map50, 4),
            "mean_ap": round(found.mean_ap, 4),
            **of_masks,
            "seconds_of_correction": round(total.seconds(CorrectionCosts()) / len(self.truth.images), 1),
            "milliseconds": round(self.milliseconds, 1),
        }


def _measure(detector: Detector, tiles: Tiles | None, validation: GroundTruth, test: GroundTruth) -> dict[str, Any]:
    manifest = replace(detector.manifest, tiles=tiles)
    val, unseen = (_detect(Detector(detector.engine, manifest), truth) for truth in (validation, test))
    chosen = choose_postprocess(
        manifest.labels,
        validation.images,
        val.detections,
        CorrectionCosts(),
        iou_threshold=manifest.postprocess.iou_threshold,
    ).postprocess
    return {name: one.figures(manifest.labels, chosen) for name, one in (("validation", val), ("test", unseen))}


def _detect(detector: Detector, truth: GroundTruth) -> Detected:
    detector.detect(detector.decode(truth.data(truth.images[0])))  # the first call prepares the network
    begun = time.perf_counter()
    detections = scores.detect_all(detector, truth)
    return Detected(truth, detections, 1000 * (time.perf_counter() - begun) / len(detections))


if __name__ == "__main__":
    main()
