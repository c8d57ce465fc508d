"""Exports to a dataset: which frames and shapes are used, and which are left out and counted.

A frame is *unannotated* if it has no shapes but tags: in a half-annotated task that is work still to
do, so it is used only on request. A frame of which every shape was left out (automatic, of a kind
without a box, degenerate) is *unusable*: it is not known to be empty, so it is never a negative.

What was left out of a frame that is used must not be taught as background: where its place is known, that is an
ignore region.
"""

import hashlib
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from itertools import compress
from pathlib import Path

import numpy as np

from preannotate.core.drafts import working_directory
from preannotate.core.files import sync_all
from preannotate.formats import read_export
from preannotate.formats.archive import open_export
from preannotate.formats.cvat_xml import join_label_types
from preannotate.formats.image_kinds import without_extension
from preannotate.formats.records import BOX, NO_LABEL, TAG, Box, Export, Frame, Shape
from runtime.errors import RequestError
from runtime.image import decode
from runtime.image_file import read_image_file
from runtime.masks import InstanceMask
from trainer.datasets.coordinates import clip, frame_to_image, ignore_regions, in_order, inside, to_upright_pixels
from trainer.datasets.dataset import Dataset, store_image
from trainer.datasets.frames import match_names, select_frames, video_groups, with_distinct_names
from trainer.datasets.health import UNANNOTATED, UNUSABLE, WITHOUT_PIXELS, Health, LoadedExport, LoadReport
from trainer.datasets.rasterization import pixels_to_draw, rasterize
from trainer.datasets.sample import Sample

AUTOMATIC = "automatic"
OTHER_LABEL = "of another label"
OUTSIDE = "outside the image"
TOO_SMALL = "smaller than one pixel"
EMPTY = "without a pixel"
LONG_LABEL = "with a label of more than 500 characters"
BROKEN_LABEL = "with a label that is no whole text"
MISSING = "missing"
UNREADABLE = "unreadable"
# Small enough that a JPEG is decoded at an eighth of its size; a truncated file fails all the same.
_CHECK_SIZE = (32, 32)
_LONGEST_LABEL = 500
# In pixels: what is cut off boxes beyond that was not lost in writing them down.
_ROUNDING = 2.0
# Of the outlines of an image that are drawn, together, in pixels that are gone over and in runs of their masks: a few
# lines of text may claim any number of large or ragged masks.
_MASK_PIXELS, _MASK_RUNS = 2_000_000_000, 10_000_000


def load_dataset(
    exports: Sequence[Path],
    store: Path | None,
    *,
    include_auto: bool = False,
    negatives: bool = False,
    labels: Sequence[str] | None = None,
    only: Collection[str] | None = None,
    masks: bool = False,
) -> Dataset:
    """Read annotation exports and copy their images into the run's store.

    Args:
        exports: Zips or folders of any format in `FORMATS`; labels are matched by name.
        store: Folder of the run's own copy of the images; created if absent. None copies nothing: images of archives
            are gone afterwards, `Sample.image` of a folder is the file there.
        include_auto: Use shapes that a model drew and nobody edited.
        negatives: Use frames without annotations as images without objects.
        labels: The class ids to use: shapes of other labels are counted and left out. None takes all labels that
            have a box, in order of first appearance: converters declare 80 names and use two.
        only: Names of the images to use, with or without folders and extensions. None uses all.
        masks: Keep the masks of polygons, ellipses, …, for networks that learn them, and not only their boxes.

    Returns:
        The samples; `check_dataset` says whether they suffice.

    Raises:
        DatasetError: An export that cannot be read, or a name in `only` that is not there.
    """
    if store is None:
        with working_directory() as workspace:
            return _load(exports, workspace, _Loader(None, include_auto, negatives, labels, masks), only)
    store.mkdir(parents=True, exist_ok=True)
    dataset = _load(exports, store, _Loader(store, include_auto, negatives, labels, masks), only)
    sync_all(sample.image for sample in dataset.samples)
    return dataset


def _load(exports: Sequence[Path], workspace: Path, loader: "_Loader", only: Collection[str] | None) -> Dataset:
    names: list[str] = []
    for path in map(Path, exports):
        with open_export(path, workspace) as files:
            recognised = read_export(path, files, outlines=loader.masks)
            export = recognised.export
            names += [frame.name for frame in export.frames]
            loader.report.exports.append(
                LoadedExport(path.name, recognised.format, recognised.title, export.has_sources)
            )
            loader.report.notes += [f"{path.name}: {note}" for note in export.notes]
            loader.report.label_types = join_label_types([loader.report.label_types, export.label_types])
            loader.add_export(export, only)
    if only is not None:
        match_names(only, names, where=", ".join(Path(path).name for path in exports))
    kept = _without_repeats(loader.samples, loader.report)
    for index in kept:
        loader.report.add_masks(loader.outlined[index])
    samples = _ignoring_others([loader.samples[index] for index in kept])
    known = tuple(loader.class_ids)
    if not loader.fixed:
        known, samples = _without_unused_labels(known, samples, loader.report)
    return Dataset(known, samples, Health.of(samples, known, loader.report))


def _label_problem(label: str) -> str:
    """Return why a label cannot be learnt: neither UTF-8 nor CVAT's database has a place for it; "" if it can."""
    if not label:
        return NO_LABEL
    if "\0" in label or any("\ud800" <= letter <= "\udfff" for letter in label):
        return BROKEN_LABEL
    return LONG_LABEL if len(label) > _LONGEST_LABEL else ""


@dataclass(frozen=True)
class ReadableImage:
    """An image file that training will be able to read."""

    path: Path
    content: str
    size: tuple[int, int]
    orientation: int
    stretched: bool


def check_image(frame: Frame, report: LoadReport) -> ReadableImage | None:
    """Return the image of a frame; None if training cannot read it, which the report says."""
    if frame.problem:
        report.add_problem(frame.problem, frame.name)
        return None
    if frame.image is None:
        report.add_problem(MISSING, frame.name)
        return None
    try:
        data = read_image_file(frame.image)
        image = decode(data, _CHECK_SIZE)
    except (OSError, RequestError) as error:
        report.add_problem(UNREADABLE, frame.name)
        report.unreadable[frame.name] = str(error)
        return None
    content = hashlib.sha256(data).hexdigest()
    return ReadableImage(frame.image, content, image.size, image.orientation, image.stretched)


class _Loader:
    """The rules about frames and shapes, and the counts made while they are applied."""

    def __init__(
        self,
        store: Path | None,
        include_auto: bool,
        negatives: bool,
        labels: Sequence[str] | None,
        masks: bool,
    ) -> None:
        self.store = store
        self.include_auto = include_auto
        self.negatives = negatives
        self.masks = masks
        self.fixed = labels is not None
        self.class_ids = {label: index for index, label in enumerate(labels or ())}
        self.boxed_labels: set[str] = set()
        self.samples: list[Sample] = []
        self.outlined: list[Counter[tuple[str, str]]] = []  # of each sample: label and kind of the shapes with a mask
        self.groups: dict[str, str] = {}
        self.report = LoadReport()

    def add_export(self, export: Export, only: Collection[str] | None) -> None:
        """Add samples of the frames of one export."""
        for entry in export.left_out:
            self.report.add_left_out(entry.reason, entry.where, entry.count)
        frames = with_distinct_names(export.frames)
        self.groups = video_groups(frames)
        if not self.fixed:
            for label in export.labels:
                if not _label_problem(label):
                    self.class_ids.setdefault(label, len(self.class_ids))
        self.boxed_labels |= {s.label for frame in frames for s in frame.shapes if s.boxed and not s.problem}
        for frame in select_frames(frames, only):
            self.report.frames += 1
            found = self._sample(frame)
            if found is not None:
                self.samples.append(found[0])
                self.outlined.append(found[1])

    def _sample(self, frame: Frame) -> tuple[Sample, Counter[tuple[str, str]]] | None:
        """Return the sample of a frame, and its `outlined`; None if the frame is not used."""
        dropped: Counter[str] = Counter()
        shapes: list[Shape] = []
        ignored: list[Box] = []
        for shape in frame.shapes:
            if reason := self._reason_to_drop(shape):
                dropped[reason] += 1
                self.report.add_left_out(reason, shape.where or frame.name)
                if shape.box is not None and self._is_object(shape, reason):
                    ignored.append(shape.box)
            else:
                shapes.append(shape)
        annotated = any(reason not in (TAG, OTHER_LABEL) for reason in dropped) or bool(shapes)
        if not annotated:
            self.report.unannotated += 1
            if not self.negatives:
                self.report.add_example(UNANNOTATED, frame.name)
                return None
        elif not shapes:
            self.report.unusable += 1
            self.report.add_example(UNUSABLE, frame.name)
            return None
        image = check_image(frame, self.report)
        if image is None:
            return None
        made = self._make_sample(frame, shapes, ignored, image, dropped)
        if made is None:
            return None
        sample = made[0]
        if not annotated:
            self.report.unannotated_used += 1
        elif not len(sample.boxes):
            self.report.unusable += 1
            self.report.add_example(UNUSABLE, frame.name)
            return None
        self.report.converted.update(sample.converted)
        self.report.stretched += image.stretched
        self.report.partly_automatic += AUTOMATIC in dropped
        return made

    def _reason_to_drop(self, shape: Shape) -> str:
        if not shape.boxed:
            return shape.kind or "of unknown kind"
        if shape.problem and not shape.label:
            return shape.problem
        if shape.label not in self.class_ids:
            return ("" if self.fixed else _label_problem(shape.label)) or OTHER_LABEL
        if shape.problem:
            return shape.problem
        if shape.automatic and not self.include_auto:
            return AUTOMATIC
        return "" if shape.box is not None else EMPTY

    def _is_object(self, shape: Shape, reason: str) -> bool:
        """Whether a shape that is left out is, or may be, an object of a class that is learnt."""
        if not shape.boxed:  # a polyline of a label that is otherwise drawn with boxes
            return shape.label in self.class_ids and shape.label in self.boxed_labels and _has_area(shape.box)
        return reason != OTHER_LABEL

    def _make_sample(
        self, frame: Frame, shapes: list[Shape], ignored: list[Box], image: ReadableImage, dropped: Counter[str]
    ) -> tuple[Sample, Counter[tuple[str, str]]] | None:
        boxes, reordered = in_order(
            np.array([*(shape.box for shape in shapes), *ignored], np.float64).reshape(-1, 4),
        )
        upright, problem = to_upright_pixels(
            boxes,
            declared=frame.declared_size,
            image_size=image.size,
            orientation=image.orientation,
            relative=frame.relative,
        )
        if problem:
            self.report.add_problem(problem, frame.name)
        if upright is None:
            return None
        own, regions = upright[: len(shapes)], upright[len(shapes) :]
        boxes, kept = clip(own, image.size)
        for shape, touches in zip(compress(shapes, ~kept), inside(own[~kept], image.size), strict=True):
            reason = TOO_SMALL if touches else OUTSIDE
            dropped[reason] += 1
            self.report.add_left_out(reason, shape.where or frame.name)
        self.report.reordered += int(reordered[: len(shapes)][kept].sum())
        self.report.cut += int((np.abs(boxes[kept] - own[kept]) > _ROUNDING).any(axis=1).sum())
        shapes = list(compress(shapes, kept))
        masks = self._rasterize(frame, shapes, own[kept], image) if self.masks else ()
        outlined = Counter(
            (shape.label, shape.kind) for shape, mask in zip(shapes, masks, strict=self.masks) if mask is not None
        )
        sample = Sample(
            name=_with_extension(frame.name, image.path),
            image=store_image(image.path, image.content, self.store) if self.store else image.path,
            content=image.content,
            image_size=image.size,
            boxes=boxes[kept],
            class_ids=np.array([self.class_ids[shape.label] for shape in shapes], np.int64),
            group=self.groups.get(frame.sequence or "", f"image:{image.content}"),
            frame=frame.frame if frame.sequence else None,
            dropped=dict(dropped),
            converted=dict(Counter(shape.kind for shape in shapes if shape.kind != BOX)),
            ignored=ignore_regions(np.concatenate([regions, own[~kept]]), image.size),
            masks=masks,
        )
        return sample, outlined

    def _rasterize(
        self, frame: Frame, shapes: Sequence[Shape], boxes: np.ndarray, image: ReadableImage
    ) -> tuple[InstanceMask | None, ...]:
        """Return the masks of shapes whose boxes (G, 4) are in upright image pixels."""
        to_image = frame_to_image(
            declared=frame.declared_size,
            image_size=image.size,
            orientation=image.orientation,
            relative=frame.relative,
        )
        masks: list[InstanceMask | None] = []
        pixels = runs = 0.0
        for shape, box in zip(shapes, boxes, strict=True):
            mask: InstanceMask | None = None
            if shape.outline is not None:
                pixels += pixels_to_draw(shape.outline, box, to_image, image.size)
                if pixels <= _MASK_PIXELS and runs <= _MASK_RUNS:
                    mask = rasterize(shape.outline, box, to_image, image.size)
                    runs += 0 if mask is None else len(mask.runs)
                if mask is None:
                    self.report.without_pixels += 1
                    self.report.add_example(WITHOUT_PIXELS, shape.where or frame.name)
            masks.append(mask)
        return tuple(masks)


def _has_area(box: Box | None) -> bool:
    return box is not None and box[0] != box[2] and box[1] != box[3]


def _without_repeats(samples: Sequence[Sample], report: LoadReport) -> list[int]:
    """Return which samples to use: not those that occur again, as CVAT's honeypots do, with nothing new in them."""
    annotated = {sample.content: sample.name for sample in samples if len(sample.boxes)}
    kept: dict[str, list[int]] = {}
    result: list[int] = []
    for index, sample in enumerate(samples):
        if not len(sample.boxes) and sample.content in annotated:
            report.duplicates.append([sample.name, annotated[sample.content]])
            report.unannotated_used -= 1
            continue
        same = kept.setdefault(sample.content, [])
        equal = next((other for other in same if _rows(samples[other]) == _rows(sample)), None)
        if equal is not None and _masks(sample) <= _masks(samples[equal]):
            report.duplicates.append([sample.name, samples[equal].name])
            continue
        if equal is not None:  # the same boxes, drawn more exactly
            report.duplicates.append([samples[equal].name, sample.name])
            same[same.index(equal)] = result[result.index(equal)] = index
            continue
        if same:
            report.conflicts.append(sample.name)
        same.append(index)
        result.append(index)
    return result


def _ignoring_others(samples: Sequence[Sample]) -> tuple[Sample, ...]:
    """Return each sample with the boxes that only another annotation of its image has as ignore regions."""
    of_content: dict[str, list[Sample]] = {}
    for sample in samples:
        of_content.setdefault(sample.content, []).append(sample)
    return tuple(_ignoring(sample, of_content[sample.content]) for sample in samples)


def _ignoring(sample: Sample, same: Sequence[Sample]) -> Sample:
    own = {tuple(box) for box in sample.boxes.tolist()}
    others = [box for other in same if other is not sample for box in other.boxes.tolist() if tuple(box) not in own]
    if not others:
        return sample
    return replace(sample, ignored=np.concatenate([sample.ignored, np.array(others, np.float32)]))


def _without_unused_labels(
    labels: tuple[str, ...], samples: tuple[Sample, ...], report: LoadReport
) -> tuple[tuple[str, ...], tuple[Sample, ...]]:
    """Leave out the labels that no sample has a box of."""
    used = {class_id for sample in samples for class_id in sample.class_ids.tolist()}
    report.unused_labels = [label for class_id, label in enumerate(labels) if class_id not in used]
    ids = np.cumsum([class_id in used for class_id in range(len(labels))]) - 1
    samples = tuple(replace(sample, class_ids=ids[sample.class_ids]) for sample in samples)
    return tuple(label for class_id, label in enumerate(labels) if class_id in used), samples


def _rows(sample: Sample) -> list[tuple[float, ...]]:
    return sorted((c, *box) for c, box in zip(sample.class_ids.tolist(), sample.boxes.tolist(), strict=True))


def _masks(sample: Sample) -> int:
    return sum(mask is not None for mask in sample.masks)


def _with_extension(name: str, path: Path) -> str:
    return name if without_extension(name) != name else name + path.suffix
