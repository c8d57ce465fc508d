"""What the annotations hold and lack, before a minute is spent on training.

Counts of the samples are taken from the samples; what was left out is only known while reading and is
kept in `Found`, which `samples.json` carries.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from evaluation.object_sizes import LARGE_FROM, SMALL_BELOW
from preannotate.formats.errors import DatasetError
from runtime.letterbox import Letterbox

if TYPE_CHECKING:  # sample.py needs Health
    from trainer.datasets.sample import Dataset, Sample

MIN_IMAGES = 10
FEW_BOXES_OF_A_CLASS = 10
FEW_BOXES = 100
# Half a cell of the finest feature level (stride 8) in each direction: less than that is not seen.
INVISIBLE_BELOW = 8
_NAMES_SHOWN = 5


@dataclass
class Found:
    """What reading the exports met beside the samples.

    Attributes:
        exports: Name, format and title of each export, and whether it tells automatic shapes.
        frames: Frames in all exports.
        unannotated: Frames without any shape.
        unannotated_used: Of these, those that became samples, as true negatives.
        unusable: Frames that had shapes, of which none could be used.
        partly_automatic: Samples that lost automatic shapes and kept others.
        dropped: Reason to number of shapes left out.
        converted: Kind to number of shapes that became boxes.
        problems: Problem of an image to the names concerned; see `loading`.
        unreadable: Name to the decoder's words.
        duplicates: Names of repeated images that were left out, each with the name of the one kept.
        conflicts: Names of images with equal content and different boxes; all are kept.
        notes: Whole sentences about what had to be guessed.

    """

    exports: list[dict[str, Any]] = field(default_factory=list)
    frames: int = 0
    unannotated: int = 0
    unannotated_used: int = 0
    unusable: int = 0
    partly_automatic: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    converted: Counter[str] = field(default_factory=Counter)
    problems: dict[str, list[str]] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)
    duplicates: list[list[str]] = field(default_factory=list)
    conflicts: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def problem(self, kind: str, name: str) -> None:
        """Note that the image called `name` has a problem."""
        self.problems.setdefault(kind, []).append(name)


@dataclass(frozen=True)
class Health:
    """Counts and warnings about a dataset.

    Attributes:
        labels: The dataset's.
        images: Number of samples.
        negatives: Samples without boxes.
        boxes_of: Label to number of boxes.
        images_of: Label to number of samples with at least one.
        sizes: For each box (width, height, image width, image height), pixels.
        found: What reading met.

    """

    labels: tuple[str, ...]
    images: int
    negatives: int
    boxes_of: Mapping[str, int]
    images_of: Mapping[str, int]
    sizes: tuple[tuple[float, float, int, int], ...]
    found: Found

    @classmethod
    def of(cls, samples: Sequence[Sample], labels: Sequence[str], found: Found | Mapping[str, Any]) -> Health:
        """Count `samples`; `found` may be what `found_json` returned."""
        boxes_of, images_of = dict.fromkeys(labels, 0), dict.fromkeys(labels, 0)
        sizes = []
        for sample in samples:
            for class_id in sample.class_ids.tolist():
                boxes_of[labels[class_id]] += 1
            for class_id in set(sample.class_ids.tolist()):
                images_of[labels[class_id]] += 1
            sizes += [(x2 - x1, y2 - y1, *sample.image_size) for x1, y1, x2, y2 in sample.boxes.tolist()]
        negatives = sum(len(sample.boxes) == 0 for sample in samples)
        found = found if isinstance(found, Found) else _found(found)
        return cls(tuple(labels), len(samples), negatives, boxes_of, images_of, tuple(sizes), found)

    @property
    def boxes(self) -> int:
        """Number of boxes."""
        return sum(self.boxes_of.values())

    def found_json(self) -> dict[str, Any]:
        """What reading met, for `samples.json`."""
        content = {field.name: getattr(self.found, field.name) for field in fields(self.found)}
        return {name: dict(value) if isinstance(value, Counter) else value for name, value in content.items()}

    def box_sizes(self, input_size: tuple[int, int]) -> dict[str, int]:
        """Number of boxes by the root of their area in the network's input.

        Args:
            input_size: (width, height) of the input in pixels.

        Returns:
            "small" (below 32 pixels), "medium", "large" (from 96); "below 8 px" are among the small.

        """
        counts = {"small": 0, "medium": 0, "large": 0, f"below {INVISIBLE_BELOW} px": 0}
        for width, height, image_width, image_height in self.sizes:
            resized = Letterbox.fit((image_width, image_height), input_size).resized
            side = math.sqrt(width * resized[0] / image_width * height * resized[1] / image_height)
            counts["small" if side < SMALL_BELOW else "medium" if side < LARGE_FROM else "large"] += 1
            counts[f"below {INVISIBLE_BELOW} px"] += side < INVISIBLE_BELOW
        return counts

    def warnings(self, input_size: tuple[int, int] | None = None) -> list[str]:
        """Whole sentences about what will make the result worse than it could be."""
        return list(_warnings(self, input_size))

    def to_json(self, input_size: tuple[int, int] | None = None) -> dict[str, Any]:
        """Everything, for `dataset.json`."""
        classes = {label: {"images": self.images_of[label], "boxes": self.boxes_of[label]} for label in self.labels}
        found = self.found_json()
        return {
            "exports": found.pop("exports"),
            "images": self.images,
            "negatives": self.negatives,
            "boxes": self.boxes,
            "classes": classes,
            "box_sizes": self.box_sizes(input_size) if input_size else None,
            "found": found,
            "warnings": self.warnings(input_size),
        }

    def to_text(self, input_size: tuple[int, int] | None = None) -> str:
        """The same in words, several lines."""
        return "\n".join(_text(self, input_size))


def check(dataset: Dataset) -> None:
    """Refuse what cannot be trained on.

    Raises:
        DatasetError: Fewer than `MIN_IMAGES` images, or a class without a box.

    """
    health = dataset.health
    where = ", ".join(export["name"] for export in health.found.exports) or "dataset"
    if health.images < MIN_IMAGES:
        raise DatasetError(
            f"{where}: {_count(health.images, 'usable image')} of {health.found.frames}; expected at least "
            f"{MIN_IMAGES}.{_why_few(health)} Annotate more images."
        )
    empty = [label for label in health.labels if not health.boxes_of[label]]
    if empty:
        listed = ", ".join(repr(label) for label in empty)
        raise DatasetError(
            f"{where}: no box of {listed}; expected at least one of each class. "
            f"Annotate some, or leave it out with --labels."
        )


def _found(content: Mapping[str, Any]) -> Found:
    found = Found(**content)
    found.dropped, found.converted = Counter(found.dropped), Counter(found.converted)
    return found


def _why_few(health: Health) -> str:
    found = health.found
    reasons = []
    if found.unannotated > found.unannotated_used:
        reasons.append(f"{found.unannotated - found.unannotated_used} have no annotations")
    if found.unusable:
        reasons.append(f"{found.unusable} have no usable shape")
    if automatic := found.dropped.get("automatic"):
        reasons.append(f"{automatic} shapes are automatic and need --include-auto")
    reasons += [f"{len(names)} {kind}" for kind, names in found.problems.items()]
    return f" Of the others {', '.join(reasons)}." if reasons else ""


def _warnings(health: Health, input_size: tuple[int, int] | None):
    found = health.found
    if health.boxes < FEW_BOXES:
        yield (
            f"Only {_count(health.boxes, 'box', 'boxes')}: expect a detector that finds objects much like "
            f"those annotated and misses many others, and a mAP that changes by points with each image more."
        )
    for label in health.labels:
        if 0 < health.boxes_of[label] < FEW_BOXES_OF_A_CLASS:
            yield (
                f"Only {_count(health.boxes_of[label], 'box', 'boxes')} of {label!r}: "
                f"expected at least {FEW_BOXES_OF_A_CLASS} before it is found reliably."
            )
    if found.partly_automatic:
        yield (
            f"{_count(found.partly_automatic, 'image')} lost unreviewed automatic boxes and kept others: "
            f"training passes over these places, and validation over these images. Review them in CVAT."
        )
    if input_size and (tiny := health.box_sizes(input_size)[f"below {INVISIBLE_BELOW} px"]):
        yield (
            f"{_count(tiny, 'box', 'boxes')} smaller than {INVISIBLE_BELOW} pixels in an input of "
            f"{input_size[0]}x{input_size[1]}: too small to be found. Choose a larger input."
        )
    if found.conflicts:
        yield (
            f"{_count(len(found.conflicts), 'image')} with the same content but different boxes "
            f"({_listed(found.conflicts)}): all are used; keep the right one."
        )
    yield from found.notes


def _text(health: Health, input_size: tuple[int, int] | None):
    found = health.found
    for export in found.exports:
        silent = "" if export["has_sources"] else ", which does not tell reviewed boxes from automatic ones"
        yield f"{export['name']}: {export['title']}{silent}"
    yield f"{_count(health.images, 'image')} of {found.frames} used, {_count(health.boxes, 'box', 'boxes')}"
    for label in health.labels:
        boxes, images = health.boxes_of[label], health.images_of[label]
        yield f"  {label}: {_count(boxes, 'box', 'boxes')} in {_count(images, 'image')}"
    if input_size:
        sizes = health.box_sizes(input_size)
        yield (
            f"box sizes in an input of {input_size[0]}x{input_size[1]}: {sizes['small']} small (below "
            f"{SMALL_BELOW} pixels), {sizes['medium']} medium, {sizes['large']} large (from {LARGE_FROM})"
        )
    if found.unannotated:
        used = f"{found.unannotated_used} used as negatives" if found.unannotated_used else "not used"
        yield f"without annotations: {_count(found.unannotated, 'image')}, {used}"
    if found.unusable:
        yield f"without a usable shape: {_count(found.unusable, 'image')}, not used"
    if found.converted:
        yield f"turned into boxes: {_counts(found.converted)}"
    if found.dropped:
        yield f"left out: {_counts(found.dropped)}"
    for kind, names in found.problems.items():
        yield f"{kind}: {_count(len(names), 'image')} ({_listed(names)})"
    for name, reason in list(found.unreadable.items())[:_NAMES_SHOWN]:
        yield f"  {name}: {reason}"
    if found.duplicates:
        listed = _listed([f"{name} = {kept}" for name, kept in found.duplicates])
        yield f"repeated images left out: {len(found.duplicates)} ({listed})"
    for warning in health.warnings(input_size):
        yield f"warning: {warning}"


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"


def _counts(counter: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {reason}" for reason, count in sorted(counter.items(), key=lambda item: -item[1]))


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_NAMES_SHOWN])
    return shown if len(names) <= _NAMES_SHOWN else f"{shown}, and {len(names) - _NAMES_SHOWN} more"
