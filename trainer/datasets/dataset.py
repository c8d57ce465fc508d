"""Samples with their labels and statistics, and whether they suffice for training."""

from dataclasses import dataclass

from preannotate.core.text import plural
from preannotate.formats.errors import DatasetError
from trainer.datasets.health import Health
from trainer.datasets.sample import Sample

MIN_IMAGES = 10


@dataclass(frozen=True)
class Dataset:
    """Samples with the labels that their class ids refer to.

    Attributes:
        labels: Names of the classes; the index is the class id.
        samples: In the order of the exports and of the frames inside them.
        health: Counts, and what was left out and converted.
    """

    labels: tuple[str, ...]
    samples: tuple[Sample, ...]
    health: Health


def check_dataset(dataset: Dataset) -> None:
    """Refuse what cannot be trained on.

    Raises:
        DatasetError: Fewer than `MIN_IMAGES` images, or a class without a box.
    """
    health = dataset.health
    where = ", ".join(export.name for export in health.load_report.exports) or "dataset"
    if health.images < MIN_IMAGES:
        raise DatasetError(
            f"{where}: {plural(health.images, 'usable image')} of {health.load_report.frames}; expected at least "
            f"{MIN_IMAGES}.{_why_few(health)} Annotate more images."
        )
    empty = [label for label in health.labels if not health.boxes_of[label]]
    if empty:
        listed = ", ".join(repr(label) for label in empty)
        raise DatasetError(
            f"{where}: no box of {listed}; expected at least one of each class. "
            f"Annotate some, or leave it out with --labels."
        )


def _why_few(health: Health) -> str:
    report = health.load_report
    reasons = []
    if report.unannotated > report.unannotated_used:
        reasons.append(f"{report.unannotated - report.unannotated_used} have no annotations")
    if report.unusable:
        reasons.append(f"{report.unusable} have no usable shape")
    if automatic := report.dropped.get("automatic"):
        reasons.append(f"{automatic} shapes are automatic and need --include-auto")
    reasons += [f"{len(names)} {kind}" for kind, names in report.problems.items()]
    return f" Of the others {', '.join(reasons)}." if reasons else ""
