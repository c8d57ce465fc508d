"""Annotation exports as ground truth for a model whose classes are given."""

import sys
from collections.abc import Collection, Sequence
from pathlib import Path

from evaluation.ground_truth import GroundTruth
from preannotate.formats.errors import DatasetError
from trainer import datasets


def load(
    exports: Sequence[Path],
    store: Path,
    labels: tuple[str, ...],
    *,
    only: Collection[str] | None = None,
    include_auto: bool = False,
    negatives: bool = False,
) -> GroundTruth:
    """Read exports and print on stderr what was left out.

    Args:
        exports: Zips or folders; labels are matched by name.
        store: Folder for the images.
        labels: Of the model; shapes with other labels are left out.
        only: Names of the images to use; None uses all.
        include_auto: Count automatic annotations as true.
        negatives: Use frames without annotations as images without objects.

    Raises:
        DatasetError: No image of the exports can be used.
    """
    dataset = datasets.load_dataset(
        exports, store, labels=labels, only=only, include_auto=include_auto, negatives=negatives
    )
    if not dataset.samples:
        raise DatasetError(
            f"{', '.join(str(export) for export in exports)}: no image with annotations of "
            f"{', '.join(labels)}; expected at least one. Check the export."
        )
    for warning in dataset.health.warnings():
        print(f"note: {warning}", file=sys.stderr)
    images = tuple(sample.to_ground_truth(str(sample.image.relative_to(store))) for sample in dataset.samples)
    return GroundTruth(store, labels, images)
