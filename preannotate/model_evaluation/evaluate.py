"""COCO mAP of a trained run or a built function on annotated images that it has not seen.

A run is measured through the graph it exported, a function through its own `main.handler` in a process of its own:
the figure is that of the detections CVAT would get.
"""

import json
import tempfile
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from builder.function_directory import FunctionDirectory
from evaluation import scores
from evaluation.ground_truth import AnnotatedImage, GroundTruth
from evaluation.scores import Scores
from preannotate.model_evaluation import annotated_exports
from runtime import engines
from runtime.detector import Detection, Detector
from runtime.manifest import FILE_NAME, Manifest
from trainer.library_logging import quiet_loading


def print_evaluation(
    model: Path,
    exports: Sequence[Path],
    *,
    only: Collection[str] | None,
    include_auto: bool,
    negatives: bool,
    as_json: bool,
) -> int:
    """Print the scores; returns the exit code."""
    result = evaluate(model, exports, only=only, include_auto=include_auto, negatives=negatives)
    print(json.dumps(result.to_json(), ensure_ascii=False) if as_json else _to_text(model, result))
    return 0


def evaluate(
    model: Path,
    exports: Sequence[Path],
    *,
    only: Collection[str] | None = None,
    include_auto: bool = False,
    negatives: bool = False,
) -> Scores:
    """Score a model on exports; arguments and errors as in `detect_on_exports`."""
    found = detect_on_exports(model, exports, only=only, include_auto=include_auto, negatives=negatives)
    return scores.score(found.manifest.labels, found.images, found.detections)


@dataclass(frozen=True)
class ModelDetections:
    """What a model detected on annotated images.

    Attributes:
        manifest: Of the model.
        images: With their objects.
        detections: For each image, down to a low score.
    """

    manifest: Manifest
    images: Sequence[AnnotatedImage]
    detections: Sequence[Sequence[Detection]]


def detect_on_exports(
    model: Path,
    exports: Sequence[Path],
    *,
    only: Collection[str] | None = None,
    include_auto: bool = False,
    negatives: bool = False,
) -> ModelDetections:
    """Run a model on annotated images.

    Args:
        model: A run, its export directory, or a function directory.
        exports: Zips or folders of annotations; labels are matched by name with those of the model.
        only: Names of the images to use; None uses all.
        include_auto: Count automatic annotations as true.
        negatives: Use frames without annotations as images without objects.

    Raises:
        FunctionError: `model` is none of these, or damaged.
        DatasetError: No image of the exports can be used.
    """
    function = FunctionDirectory.find(model)
    directory = function.path if function else _export_directory(model)
    # The handler returns labels as they are called in function.yaml.
    manifest = function.manifest if function else Manifest.read(directory)
    with tempfile.TemporaryDirectory(prefix="preannotate-") as store:
        truth = annotated_exports.load(
            exports, Path(store), manifest.labels, only=only, include_auto=include_auto, negatives=negatives
        )
        detect = _detect_with_function if function else _detect_with_graph
        return ModelDetections(manifest, truth.images, detect(directory, manifest, truth))


def _export_directory(model: Path) -> Path:
    """The export directory of a run, or `model` itself."""
    export = model / "export"
    return export if (export / FILE_NAME).is_file() else model


def _detect_with_graph(directory: Path, manifest: Manifest, truth: GroundTruth) -> list[list[Detection]]:
    from builder.graph import GRAPHS, find_graph

    graph = (find_graph(directory) or (directory, GRAPHS["saved_model"]))[1]
    with quiet_loading():
        engine = engines.load(graph.engine, directory / graph.engine_folder)
    return scores.detect_all(Detector(engine, manifest), truth)


def _detect_with_function(directory: Path, manifest: Manifest, truth: GroundTruth) -> list[list[Detection]]:
    from builder.proof import detect_with_variant
    from builder.variants import VARIANTS

    return detect_with_variant(VARIANTS["cpu"], directory, manifest, truth).served


def _to_text(model: Path, result: Scores) -> str:
    per_class = "\n".join(f"  {label}: AP50 {value:.3f}" for label, value in result.ap50.items())
    return (
        f"{model}: mAP50 {result.map50:.3f}, mAP {result.mean_ap:.3f}, mAP75 {result.map75:.3f} "
        f"on {result.images} images with {result.boxes} boxes\n{per_class}"
    )
