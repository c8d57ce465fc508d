"""COCO mAP of a trained run or a built function on annotated images that it has not seen.

A run is measured through the graph it exported, a function through its own `main.handler` in a process of its own:
the figure is that of the detections CVAT would get.
"""

import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from builder.function_directory import FunctionDirectory
from builder.variant_run import detect_with_variant
from builder.variants import GRAPHS, VARIANTS, find_graph
from evaluation import scores
from evaluation.ground_truth import AnnotatedImage, GroundTruth, with_answered_masks
from evaluation.scores import Scores
from preannotate.core.drafts import working_directory
from preannotate.core.text import first_of
from preannotate.formats.records import DatasetError
from runtime import engines
from runtime.detector import Detection, Detector
from runtime.manifest import FILE_NAME, Manifest
from trainer import datasets
from trainer.library_logging import quiet_loading


@dataclass(frozen=True)
class ModelDetections:
    """What a model detected on each of the annotated images, down to a low score."""

    manifest: Manifest
    images: Sequence[AnnotatedImage]
    detections: Sequence[Sequence[Detection]]

    def score(self) -> Scores:
        """Return the COCO metrics of the boxes."""
        return scores.score(self.manifest.labels, self.images, self.detections)

    def score_masks(self) -> Scores | None:
        """Return the COCO metrics of the masks; None if the model gives none or no mask is annotated."""
        if self.manifest.mask_head is None:
            return None
        images = with_answered_masks(self.images, self.manifest.label_type)
        return scores.score_masks(self.manifest.labels, images, self.detections)


def detect_on_exports(
    model: Path,
    exports: Sequence[Path],
    *,
    only: Collection[str] | None = None,
    include_auto: bool = False,
    negatives: bool = False,
) -> ModelDetections:
    """Run a model, which is a run, its export directory or a function directory, on annotated images.

    `exports` and the options are those of `load_ground_truth`; masks are read for models that give masks.

    Raises:
        FunctionError: `model` is none of these, or damaged.
        DatasetError: No image of the exports can be used.
    """
    function = FunctionDirectory.find(model)
    export = model / "export"
    directory = function.path if function else export if (export / FILE_NAME).is_file() else model
    # The handler returns labels as they are called in function.yaml.
    manifest = function.manifest if function else Manifest.read(directory)
    with working_directory() as store:
        truth = load_ground_truth(
            exports,
            Path(store),
            manifest.labels,
            only=only,
            include_auto=include_auto,
            negatives=negatives,
            masks=manifest.mask_head is not None,
        )
        if function:
            answers = detect_with_variant(VARIANTS["cpu"], directory, manifest, truth)
            # An answer with a mask or a polygon has no other box; a check has compared it with these.
            detections = answers.served if manifest.mask_head is None else answers.direct
        else:
            detections = _detect_with_graph(directory, manifest, truth)
        return ModelDetections(manifest, truth.images, detections)


def load_ground_truth(
    exports: Sequence[Path],
    store: Path,
    labels: tuple[str, ...],
    *,
    only: Collection[str] | None = None,
    include_auto: bool = False,
    negatives: bool = False,
    masks: bool = False,
) -> GroundTruth:
    """Read exports as ground truth; print on stderr what was left out.

    Args:
        exports: Zips or folders of annotations.
        store: Folder for the images.
        labels: Those of the model; shapes with other labels are left out.
        only: Names of the images to use; None uses all.
        include_auto: Count automatic annotations as true.
        negatives: Use frames without annotations as images without objects.
        masks: Read the masks of polygons, masks, …, too.

    Raises:
        DatasetError: No image of the exports can be used.
    """
    dataset = datasets.load_dataset(
        exports, store, labels=labels, only=only, include_auto=include_auto, negatives=negatives, masks=masks
    )
    if not dataset.samples:
        raise DatasetError(
            f"{', '.join(str(export) for export in exports)}: no image with annotations of "
            f"{first_of(labels)}; expected at least one of these labels. Check those of the export."
        )
    for warning in dataset.health.warnings():
        print(f"note: {warning}", file=sys.stderr)
    images = tuple(sample.to_ground_truth(str(sample.image.relative_to(store))) for sample in dataset.samples)
    return GroundTruth(store, labels, images)


def _detect_with_graph(directory: Path, manifest: Manifest, truth: GroundTruth) -> list[list[Detection]]:
    graph = (find_graph(directory) or (directory, GRAPHS["saved_model"]))[1]
    with quiet_loading():
        engine = engines.load(graph.engine, directory / graph.engine_folder)
    return scores.detect_all(Detector(engine, manifest), truth)
