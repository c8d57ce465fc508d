"""What the annotations hold and lack, before a minute is spent on training.

The samples themselves are counted; what was left out is only known while reading and is
kept in `LoadReport`, which is saved with the samples.
"""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from evaluation.object_sizes import LARGE_FROM, SMALL_BELOW
from preannotate.core.text import first_of, plural, printable
from runtime.letterbox import Letterbox
from runtime.manifest import LABEL_TYPES, MASK, POLYGON, RECTANGLE
from trainer.datasets.coordinates import CORRECTED
from trainer.datasets.sample import Sample

FEW_BOXES_OF_A_CLASS = 10
FEW_BOXES = 100
# Half a cell of the finest feature level (stride 8) in each direction: smaller objects are not detected.
INVISIBLE_BELOW = 8
EXAMPLES = 5
EXAMPLES_SHOWN = 2
_LONGEST_LINE = 2000
# Objects at an edge are drawn over it now and then.
FEW_CUT, MANY_CUT = 3, 0.25
UNANNOTATED = "image without annotations"
UNUSABLE = "image without a usable shape"
WITHOUT_PIXELS = "outline that cannot be drawn"
REPEATED = "repeated image"


@dataclass(frozen=True)
class LoadedExport:
    """An export that was read: its file or folder name, the key and title of its format."""

    name: str
    format: str
    title: str
    has_sources: bool


# Attributes of `LoadReport` that are plain objects in JSON.
_COUNTERS = ("dropped", "converted")


@dataclass
class LoadReport:
    """What reading the exports found beside the samples.

    Attributes:
        unannotated: Frames without any shape.
        unannotated_used: Of these, those that became samples, as true negatives.
        unusable: Frames that had shapes, of which none could be used.
        partly_automatic: Samples that lost automatic shapes and kept others.
        dropped: Reason to number of shapes and entries left out.
        examples: Reason, of `dropped` or `UNANNOTATED` or `UNUSABLE`, to the first few places in the annotation files
            or names of images.
        converted: Kind to number of shapes that became boxes.
        reordered: Boxes whose corners were put in order.
        cut: Boxes that reached out of their image by more than a rounded number can.
        problems: Problem of an image to the names concerned; see `loading`.
        unreadable: Name to the decoder's message.
        stretched: Samples of more than 8 bits; see `runtime.high_depth`.
        duplicates: Names of repeated images that were left out, each with the name of the one kept.
        conflicts: Names of images with equal content and different boxes; all are kept.
        unused_labels: Labels of the exports without a box, which are not learnt.
        label_types: What CVAT lets people draw for each label, "polygon", "any", …, where the exports say it.
        outlined: Label to kind to number of shapes whose mask is learnt, if masks were asked for.
        without_pixels: Outlines that cannot be read or drawn, or have no pixel inside: only their boxes are learnt.
    """

    exports: list[LoadedExport] = field(default_factory=list)
    frames: int = 0
    unannotated: int = 0
    unannotated_used: int = 0
    unusable: int = 0
    partly_automatic: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)
    converted: Counter[str] = field(default_factory=Counter)
    reordered: int = 0
    cut: int = 0
    problems: dict[str, list[str]] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)
    duplicates: list[list[str]] = field(default_factory=list)
    conflicts: list[str] = field(default_factory=list)
    stretched: int = 0
    notes: list[str] = field(default_factory=list)
    unused_labels: list[str] = field(default_factory=list)
    label_types: dict[str, str] = field(default_factory=dict)
    outlined: dict[str, dict[str, int]] = field(default_factory=dict)
    without_pixels: int = 0

    def add_left_out(self, reason: str, where: str, count: int = 1) -> None:
        """Count a shape or entries that were left out; `where` is the place in an annotation file, or ""."""
        self.dropped[reason] += count
        self.add_example(reason, where)

    def add_example(self, reason: str, where: str) -> None:
        """Note an example of what was left out for a reason; only the first few are kept."""
        examples = self.examples.setdefault(reason, [])
        if where and len(examples) < EXAMPLES:
            examples.append(where)

    def add_masks(self, counts: Mapping[tuple[str, str], int]) -> None:
        """Count shapes whose masks are learnt: label and kind to their number."""
        for (label, kind), count in counts.items():
            kinds = self.outlined.setdefault(label, {})
            kinds[kind] = kinds.get(kind, 0) + count

    def add_problem(self, kind: str, name: str) -> None:
        """Note that the image called `name` has a problem."""
        self.problems.setdefault(kind, []).append(name)

    def left_out(self) -> list[tuple[str, int, list[str]]]:
        """Return what is not learnt: the reason, how often it occurs, and a few places or names of images."""
        images = {UNANNOTATED: self.unannotated - self.unannotated_used, UNUSABLE: self.unusable}
        counted = [*self.dropped.items(), *((reason, count) for reason, count in images.items() if count)]
        rows = [(reason, count, self.examples.get(reason, [])) for reason, count in counted]
        rows += [(kind, len(names), names[:EXAMPLES]) for kind, names in self.problems.items() if kind not in CORRECTED]
        if self.duplicates:
            rows.append((REPEATED, len(self.duplicates), [f"{a} = {b}" for a, b in self.duplicates[:EXAMPLES]]))
        return rows

    def to_json(self) -> dict[str, Any]:
        """Return the report for a JSON file."""
        content = {field.name: getattr(self, field.name) for field in fields(self)}
        exports = [asdict(export) for export in self.exports]
        counters = {name: dict(getattr(self, name)) for name in _COUNTERS}
        return content | {"exports": exports, **counters}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "LoadReport":
        """Return the report that `to_json` wrote."""
        report = cls(**content)
        report.exports = [LoadedExport(**export) for export in content["exports"]]
        for name in _COUNTERS:
            setattr(report, name, Counter(getattr(report, name)))
        return report


@dataclass(frozen=True)
class Health:
    """Counts and warnings about a dataset.

    Attributes:
        negatives: Samples without boxes.
        images_of: Label to number of samples with at least one box.
        masks_of: Label to number of boxes with a mask; None if the dataset was read without masks.
        sizes: For each box (width, height, image width, image height), pixels.
    """

    labels: tuple[str, ...]
    images: int
    negatives: int
    boxes_of: Mapping[str, int]
    images_of: Mapping[str, int]
    sizes: tuple[tuple[float, float, int, int], ...]
    load_report: LoadReport
    masks_of: Mapping[str, int] | None = None

    @classmethod
    def of(cls, samples: Sequence[Sample], labels: Sequence[str], load_report: LoadReport) -> "Health":
        """Count `samples`."""
        boxes_of, images_of = dict.fromkeys(labels, 0), dict.fromkeys(labels, 0)
        sizes: list[tuple[float, float, int, int]] = []
        for sample in samples:
            for class_id in sample.class_ids.tolist():
                boxes_of[labels[class_id]] += 1
            for class_id in set(sample.class_ids.tolist()):
                images_of[labels[class_id]] += 1
            sizes += [(x2 - x1, y2 - y1, *sample.image_size) for x1, y1, x2, y2 in sample.boxes.tolist()]
        negatives = sum(len(sample.boxes) == 0 for sample in samples)
        masks_of = _count_masks(samples, labels) if any(sample.masks for sample in samples) else None
        return cls(tuple(labels), len(samples), negatives, boxes_of, images_of, tuple(sizes), load_report, masks_of)

    @property
    def boxes(self) -> int:
        """Number of boxes."""
        return sum(self.boxes_of.values())

    @property
    def masks(self) -> int | None:
        """Number of boxes with a mask; None if the dataset was read without masks."""
        return None if self.masks_of is None else sum(self.masks_of.values())

    def label_type(self, label: str) -> str:
        """Return what a network that learns masks should answer for a label, one of `LABEL_TYPES`.

        That is what CVAT lets people draw, or, of a label that takes anything, what most of them drew.
        """
        declared = self.load_report.label_types.get(label)
        if declared in LABEL_TYPES:
            return declared
        masks = (self.masks_of or {}).get(label, 0)
        if 2 * masks < self.boxes_of[label]:
            return RECTANGLE
        kinds = self.load_report.outlined.get(label, {})
        return MASK if 2 * kinds.get("mask", 0) > sum(kinds.values()) else POLYGON

    def box_sizes(self, input_size: tuple[int, int]) -> dict[str, int]:
        """Return the number of boxes by the root of their area in the network's input.

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
        """Return whole sentences about what makes the result worse than it could be."""
        return list(_warnings(self, input_size))

    def to_json(self, input_size: tuple[int, int] | None = None) -> dict[str, Any]:
        """Return everything, for `dataset.json`."""
        classes = {label: {"images": self.images_of[label], "boxes": self.boxes_of[label]} for label in self.labels}
        for label, count in (self.masks_of or {}).items():
            classes[label]["masks"] = count
        report = self.load_report.to_json()
        return {
            "exports": report.pop("exports"),
            "images": self.images,
            "negatives": self.negatives,
            "boxes": self.boxes,
            **({} if self.masks is None else {"masks": self.masks}),
            "classes": classes,
            "box_sizes": self.box_sizes(input_size) if input_size else None,
            "load_report": report,
            "warnings": self.warnings(input_size),
        }

    def to_text(self, input_size: tuple[int, int] | None = None) -> str:
        """Return the same as several lines of text."""
        return "\n".join(printable(line, _LONGEST_LINE) for line in _text(self, input_size))


def _count_masks(samples: Sequence[Sample], labels: Sequence[str]) -> dict[str, int]:
    counts = dict.fromkeys(labels, 0)
    for sample in samples:
        for class_id, mask in zip(sample.class_ids.tolist(), sample.masks, strict=False):
            counts[labels[class_id]] += mask is not None
    return counts


def _warnings(health: Health, input_size: tuple[int, int] | None) -> Iterator[str]:
    report = health.load_report
    if 0 < health.boxes < FEW_BOXES:
        yield (
            f"Only {plural(health.boxes, 'box', 'boxes')}: expect a detector that finds objects much like "
            f"those annotated and misses many others, and a mAP that changes by points with each image more."
        )
    rare = [label for label in health.labels if 0 < health.boxes_of[label] < FEW_BOXES_OF_A_CLASS]
    for label in rare if len(rare) <= EXAMPLES else ():
        yield (
            f"Only {plural(health.boxes_of[label], 'box', 'boxes')} of {label!r}: "
            f"expected at least {FEW_BOXES_OF_A_CLASS} before it is detected reliably."
        )
    if len(rare) > EXAMPLES:
        yield (
            f"Fewer than {FEW_BOXES_OF_A_CLASS} boxes of {len(rare)} labels ({first_of(rare)}): "
            f"expected at least that many before one is detected reliably."
        )
    if report.partly_automatic:
        yield (
            f"{plural(report.partly_automatic, 'image')} lost unreviewed automatic boxes and kept others: "
            f"training ignores these regions, and validation leaves out these images. Review them in CVAT."
        )
    if input_size and (tiny := health.box_sizes(input_size)[f"below {INVISIBLE_BELOW} px"]):
        yield (
            f"{plural(tiny, 'box', 'boxes')} smaller than {INVISIBLE_BELOW} pixels in an input of "
            f"{input_size[0]}x{input_size[1]}: too small to be detected. Choose a larger input."
        )
    if report.reordered:
        yield f"{plural(report.reordered, 'box was', 'boxes were')} drawn from another corner: corners put in order."
    for kind in CORRECTED:
        if names := report.problems.get(kind):
            yield f"{kind}: {plural(len(names), 'image')} ({first_of(names)})."
    if report.cut > max(FEW_CUT, health.boxes * MANY_CUT):
        yield (
            f"{plural(report.cut, 'box', 'boxes')} of {health.boxes} reached out of their image and were cut: perhaps "
            f"corners stand where a size is expected, or the boxes belong to other images."
        )
    if report.conflicts:
        yield (
            f"{plural(len(report.conflicts), 'image')} with the same content but different boxes "
            f"({first_of(report.conflicts)}): all are used; keep the right one."
        )
    yield from report.notes


def _text(health: Health, input_size: tuple[int, int] | None) -> Iterator[str]:
    report = health.load_report
    for export in report.exports:
        silent = "" if export.has_sources else ", which does not mark automatic boxes"
        yield f"{export.name}: {export.title}{silent}"
    yield f"{plural(health.images, 'image')} of {report.frames} used, {plural(health.boxes, 'box', 'boxes')}"
    for label in health.labels:
        boxes, images = health.boxes_of[label], health.images_of[label]
        masks = "" if health.masks_of is None else f", {plural(health.masks_of[label], 'outline')}"
        yield f"  {label}: {plural(boxes, 'box', 'boxes')} in {plural(images, 'image')}{masks}"
    if report.unused_labels:
        yield f"labels without a box, not learnt: {len(report.unused_labels)} ({first_of(report.unused_labels)})"
    if input_size:
        sizes = health.box_sizes(input_size)
        yield (
            f"box sizes in an input of {input_size[0]}x{input_size[1]}: {sizes['small']} small (below "
            f"{SMALL_BELOW} pixels), {sizes['medium']} medium, {sizes['large']} large (from {LARGE_FROM})"
        )
    if report.unannotated:
        used = f"{report.unannotated_used} used as negatives" if report.unannotated_used else "not used"
        yield f"without annotations: {plural(report.unannotated, 'image')}, {used}"
    if report.unusable:
        yield f"without a usable shape: {plural(report.unusable, 'image')}, not used"
    if health.masks is not None:
        counted: Counter[str] = Counter()
        for of_label in report.outlined.values():
            counted.update(of_label)
        kinds = ", ".join(f"{count} {kind}" for kind, count in _by_count(counted))
        others = "" if health.masks == health.boxes else "; the others teach the box alone"
        yield (
            f"learnt as outlines: {health.masks} of {plural(health.boxes, 'box', 'boxes')}"
            f"{f' ({kinds})' if kinds else ''}{others}"
        )
        types = first_of([f"{label} {health.label_type(label)}" for label in health.labels])
        yield f"detections will be, unless function.yaml says otherwise: {types}"
    elif report.converted:
        yield f"turned into boxes: {', '.join(f'{count} {kind}' for kind, count in _by_count(report.converted))}"
    if report.without_pixels:
        examples = _places(report.examples.get(WITHOUT_PIXELS, []), report.without_pixels)
        yield f"outlines that cannot be read or drawn, learnt as boxes: {report.without_pixels} ({examples})"
    if report.stretched:
        yield (
            f"more than 8 bits: {plural(report.stretched, 'image')}, stretched between the least and the greatest "
            f"value as CVAT shows them"
        )
    for reason, count in _by_count(report.dropped):
        places = report.examples.get(reason)
        yield f"left out: {count} {reason}" + (f" ({_places(places, count)})" if places else "")
    for kind, names in report.problems.items():
        if kind in CORRECTED:
            continue
        yield f"{kind}: {plural(len(names), 'image')} ({first_of(names)})"
    for name, reason in list(report.unreadable.items())[:EXAMPLES]:
        yield f"  {name}: {reason}"
    if report.duplicates:
        listed = first_of([f"{name} = {kept}" for name, kept in report.duplicates])
        yield f"repeated images left out: {len(report.duplicates)} ({listed})"
    for warning in health.warnings(input_size):
        yield f"warning: {warning}"


def _places(places: Sequence[str], count: int) -> str:
    """Return the first places of a reason that was met `count` times, and how many more there are."""
    shown = places[:EXAMPLES_SHOWN]
    more = f" and {count - len(shown)} more" if count > len(shown) else ""
    return first_of(shown) + more


def _by_count(counter: Mapping[str, int]) -> list[tuple[str, int]]:
    """Return reasons or kinds with their numbers, the largest first."""
    return sorted(counter.items(), key=lambda item: -item[1])
