"""Samples with their labels and statistics, whether they suffice for training, and the run's own copy of them.

A run that holds its images can be moved, resumed and evaluated when the export is long gone. Images, named by their
content, are hard links where the file system allows it: programs that replace a file leave the run's alone, a program
that writes into the file itself changes both.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from preannotate.core.files import link_or_copy, read_json, write_json
from preannotate.core.text import first_of, plural
from preannotate.formats.records import DatasetError
from runtime.masks import InstanceMask
from trainer.datasets.coordinates import CORRECTED
from trainer.datasets.health import Health, LoadReport
from trainer.datasets.sample import Sample

MIN_IMAGES = 10
# Some 20,000 classes of ImageNet are the most that anybody has; each costs memory in every layer of the head.
MAX_LABELS = 25_000
FORMAT = 1
FILE_NAME = "samples.json"
IMAGES = "images"
_EXPECTED = "expected the samples of a run. Start the training again."


@dataclass(frozen=True)
class Dataset:
    """Samples with the labels that their class ids refer to.

    Attributes:
        labels: The index is the class id.
        samples: In the order of the exports and of the frames inside them.
    """

    labels: tuple[str, ...]
    samples: tuple[Sample, ...]
    health: Health


def check_dataset(dataset: Dataset) -> None:
    """Refuse what cannot be trained on.

    Raises:
        DatasetError: Fewer than `MIN_IMAGES` images, more than `MAX_LABELS` labels, or one of `--labels` without a box.
    """
    health = dataset.health
    where = ", ".join(export.name for export in health.load_report.exports) or "dataset"
    if health.images < MIN_IMAGES:
        raise DatasetError(
            f"{where}: {plural(health.images, 'usable image')} of {health.load_report.frames}; expected at least "
            f"{MIN_IMAGES}.{_why_few(health)} Annotate more images."
        )
    if len(health.labels) > MAX_LABELS:
        raise DatasetError(
            f"{where}: {len(health.labels)} labels; expected at most {MAX_LABELS}. Name those to learn with --labels."
        )
    empty = [label for label in health.labels if not health.boxes_of[label]]
    if empty:
        listed = first_of([repr(label) for label in empty])
        raise DatasetError(
            f"{where}: no box of {listed}; expected at least one of each class. "
            f"Annotate some, or do not name it in --labels."
        )


def store_image(source: Path, content: str, store: Path) -> Path:
    """Link or copy an image into the store; whole or absent at any moment, but not yet flushed to the disk.

    Returns:
        `store/images/<content><extension>`.

    Raises:
        FileError: It cannot be written.
    """
    target = store / IMAGES / f"{content}{source.suffix.lower()}"
    if target.exists() and target.stat().st_size == source.stat().st_size:
        return target
    link_or_copy(source, target)
    return target


def save_dataset(dataset: Dataset, store: Path, *, name: str = FILE_NAME) -> Path:
    """Write the samples beside their images, which lie in `store`; `read_dataset` gives an equal dataset back.

    Another file name keeps a second set, say for validation, in the same store.
    """
    content = {
        "format": FORMAT,
        "labels": list(dataset.labels),
        "samples": [_to_json(sample, store) for sample in dataset.samples],
        "load_report": dataset.health.load_report.to_json(),
    }
    write_json(store / name, content)
    return store / name


def read_dataset(store: Path, *, name: str = FILE_NAME) -> Dataset:
    """Read what `save_dataset` wrote.

    Raises:
        DatasetError: No such file, not ours, or an image is missing.
        FileError: The file is not JSON.
    """
    path = store / name
    content = read_json(path)
    if content is None:
        raise DatasetError(f"{path}: no such file; {_EXPECTED}")
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        found = content.get("format") if isinstance(content, dict) else type(content).__name__
        raise DatasetError(f"{path}: format {found!r}; expected {FORMAT}. Start the training again.")
    try:
        samples = tuple(_from_json(entry, store) for entry in content["samples"])
        labels = tuple(content["labels"])
        health = Health.of(samples, labels, LoadReport.from_json(content["load_report"]))
    except (KeyError, TypeError, ValueError) as error:
        raise DatasetError(f"{path}: {error!r}; {_EXPECTED}") from error
    missing = [sample.name for sample in samples if not sample.image.is_file()]
    if missing:
        raise DatasetError(
            f"{path}: {len(missing)} images are missing, the first {missing[0]!r}; expected them in {store / IMAGES}. "
            f"Start the training again."
        )
    return Dataset(labels, samples, health)


def _why_few(health: Health) -> str:
    report = health.load_report
    reasons = []
    if report.unannotated > report.unannotated_used:
        reasons.append(f"{_have(report.unannotated - report.unannotated_used)} no annotations")
    if report.unusable:
        dropped = sorted(report.dropped.items(), key=lambda item: -item[1])
        shapes = ", ".join([f"{count} {reason}" for reason, count in dropped if reason != "automatic"][:2])
        reasons.append(f"{_have(report.unusable)} no usable shape" + (f" ({shapes})" if shapes else ""))
    if automatic := report.dropped.get("automatic"):
        reasons.append(f"{automatic} shapes are automatic and need --include-auto")
    unusable = {kind: len(names) for kind, names in report.problems.items() if kind not in CORRECTED}
    if unusable:  # what helps, after the colon, is in the summary
        kinds = "; ".join(f"{kind.partition(':')[0]}: {count}" for kind, count in unusable.items())
        reasons.append(f"{_have(sum(unusable.values()))} no image that can be used ({kinds})")
    return f" Of the others {', '.join(reasons)}." if reasons else ""


def _have(count: int) -> str:
    return f"{count} {'has' if count == 1 else 'have'}"


def _to_json(sample: Sample, store: Path) -> dict[str, Any]:
    return {
        "name": sample.name,
        "image": sample.image.relative_to(store).as_posix(),
        "content": sample.content,
        "image_size": list(sample.image_size),
        # A float32 is exactly a float64, and JSON writes those with all their digits.
        "boxes": sample.boxes.tolist(),
        "class_ids": sample.class_ids.tolist(),
        "group": sample.group,
        "frame": sample.frame,
        "dropped": dict(sample.dropped),
        "converted": dict(sample.converted),
        "ignored": sample.ignored.tolist(),
        **({"masks": [None if mask is None else _mask_to_text(mask) for mask in sample.masks]} if sample.masks else {}),
    }


def _from_json(entry: dict[str, Any], store: Path) -> Sample:
    masks = tuple(None if text is None else _mask_from_text(text) for text in entry.get("masks", ()))
    if masks and len(masks) != len(entry["boxes"]):
        raise ValueError(f"{len(masks)} masks of {len(entry['boxes'])} boxes")
    return Sample(
        name=entry["name"],
        image=store / entry["image"],
        content=entry["content"],
        image_size=(int(entry["image_size"][0]), int(entry["image_size"][1])),
        boxes=np.array(entry["boxes"], np.float32).reshape(-1, 4),
        class_ids=np.array(entry["class_ids"], np.int64),
        group=entry["group"],
        frame=entry["frame"],
        dropped=entry["dropped"],
        converted=entry["converted"],
        ignored=np.array(entry["ignored"], np.float32).reshape(-1, 4),
        masks=masks,
    )


def _mask_to_text(mask: InstanceMask) -> str:
    """Return a mask in one line: left, top, width, height and runs; a list would have a line for each number."""
    return " ".join(map(str, (mask.left, mask.top, mask.width, mask.height, *mask.runs.tolist())))


def _mask_from_text(text: Any) -> InstanceMask:
    """Read what `_mask_to_text` gave; a ValueError if it is something else."""
    left, top, width, height, *runs = map(int, str(text).split())
    return InstanceMask.from_json({"left": left, "top": top, "width": width, "height": height, "runs": runs})
