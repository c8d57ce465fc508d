"""What a training would learn from annotation exports, before anything is trained."""

import contextlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evaluation.canvas import Canvas
from evaluation.overlay import draw_annotations
from preannotate.core.drafts import scratch_directory
from preannotate.core.files import check_new_file, replacing
from preannotate.core.text import plural, printable
from preannotate.formats.records import DatasetError
from runtime.masks import InstanceMask
from trainer import datasets, input_size
from trainer.datasets import Dataset, Sample

_DECIMALS = 2
_JPEG_QUALITY = 92
# Letters of an image's name in that of its overlay: no file system takes more than 255 bytes.
_LONGEST_STEM = 50


@dataclass(frozen=True)
class Inspection:
    """The dataset of some exports.

    Attributes:
        problem: Why `train` refuses it; "" if it does not.
    """

    dataset: Dataset
    problem: str

    def to_json(self) -> dict[str, Any]:
        """Return it for a JSON file; boxes are [x1, y1, x2, y2] in pixels of the upright image, after all corrections.

        `ignored` has the regions that count neither as objects nor as background. If masks were asked for, each box has
        one as `InstanceMask.to_json` gives it, or null.
        """
        labels, report = self.dataset.labels, self.dataset.health.load_report
        return {
            "labels": list(labels),
            "images": [_image_to_json(sample, labels) for sample in self.dataset.samples],
            "left_out": [
                {"reason": reason, "count": count, "examples": examples}
                for reason, count, examples in report.left_out()
            ],
            "unused_labels": report.unused_labels,
            "formats": {export.name: export.title for export in report.exports},
            "notes": self.dataset.health.warnings(),
            "problem": self.problem or None,
        }

    def to_text(self) -> str:
        """Return a line for each image, then the health summary: what matters most is last on a terminal.

        Sizes of boxes are those in the input that a training of the smallest usual size would have.
        """
        lines = []
        for sample in self.dataset.samples:
            width, height = sample.image_size
            boxes = [
                f"{printable(self.dataset.labels[class_id])} {_corners(box)}{_pixels(mask)}"
                for class_id, box, mask in _objects(sample)
            ]
            ignored = [f"ignored {_corners(box)}" for box in sample.ignored.tolist()]
            lines.append(f"{printable(sample.name)} {width}x{height}: {'; '.join([*boxes, *ignored]) or 'no objects'}")
        samples = self.dataset.samples
        size = input_size.for_samples(samples).size if samples else None
        lines += [*([""] if lines else []), self.dataset.health.to_text(size)]
        return "\n".join([*lines, *([f"train would refuse this: {self.problem}"] if self.problem else [])])


def inspect_exports(
    exports: Sequence[Path],
    *,
    include_auto: bool = False,
    negatives: bool = False,
    labels: Sequence[str] | None = None,
    only: Collection[str] | None = None,
    masks: bool = False,
    overlay: Path | None = None,
    overwrite: bool = False,
) -> Inspection:
    """Read exports as `load_dataset` does for a training.

    Args:
        exports: As for `load_dataset`, like the five that follow.
        include_auto: Use shapes that a model drew and nobody edited.
        negatives: Use frames without annotations as images without objects.
        labels: Labels to learn; None for all that have a box.
        only: Names of the images to use; None for all.
        masks: Read masks, too.
        overlay: Folder for copies of the images with the annotations drawn in; None draws nothing.
        overwrite: Replace existing files in `overlay`.

    Raises:
        DatasetError: An export that cannot be read.
        FileError: A file in `overlay` exists or cannot be written.
    """
    with contextlib.ExitStack() as stack:
        store = None
        if overlay is not None:  # images of an archive are only there while it is read
            check_new_file(overlay / "1.jpg", overwrite=True)  # creates the folder
            store = stack.enter_context(scratch_directory(overlay, ".inspect-"))
        dataset = datasets.load_dataset(
            exports, store, include_auto=include_auto, negatives=negatives, labels=labels, only=only, masks=masks
        )
        if overlay is not None:
            _draw(dataset, overlay, overwrite=overwrite)
    try:
        datasets.check_dataset(dataset)
    except DatasetError as error:
        return Inspection(dataset, str(error))
    return Inspection(dataset, "")


def _draw(dataset: Dataset, overlay: Path, *, overwrite: bool) -> None:
    digits = len(str(len(dataset.samples)))
    stems = [printable(Path(sample.name).stem, _LONGEST_STEM) for sample in dataset.samples]
    paths = [overlay / f"{number:0{digits}}-{stem}.jpg" for number, stem in enumerate(stems, 1)]
    for path in paths:
        check_new_file(path, overwrite=overwrite)
    for path, sample in zip(paths, dataset.samples, strict=True):
        canvas = Canvas.decode(sample.image.read_bytes()).enlarged()
        boxes, ignored = canvas.boxes(sample.boxes), canvas.boxes(sample.ignored)
        masks = list(map(canvas.mask, sample.masks))
        picture = draw_annotations(canvas.pixels, boxes, sample.class_ids.tolist(), dataset.labels, ignored, masks)
        with replacing(path) as temporary:
            picture.save(temporary, "JPEG", quality=_JPEG_QUALITY)


def _image_to_json(sample: Sample, labels: Sequence[str]) -> dict[str, Any]:
    width, height = sample.image_size
    return {
        "name": sample.name,
        "width": width,
        "height": height,
        "boxes": [
            {"label": labels[class_id], "box": _rounded(box)}
            | ({"mask": None if mask is None else mask.to_json()} if sample.masks else {})
            for class_id, box, mask in _objects(sample)
        ],
        "ignored": [_rounded(box) for box in sample.ignored.tolist()],
    }


def _objects(sample: Sample) -> Iterator[tuple[int, list[float], InstanceMask | None]]:
    """Return class id, box and mask of each object."""
    masks = sample.masks or (None,) * len(sample.boxes)
    return zip(sample.class_ids.tolist(), sample.boxes.tolist(), masks, strict=True)


def _pixels(mask: InstanceMask | None) -> str:
    return "" if mask is None else f" with {plural(mask.area, 'pixel')}"


def _rounded(box: Sequence[float]) -> list[float]:
    return [round(value, _DECIMALS) for value in box]


def _corners(box: Sequence[float]) -> str:
    return ",".join(f"{value:g}" for value in _rounded(box))
