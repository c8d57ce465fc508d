"""Exports to a dataset: which frames and shapes are used, and what is counted instead.

A frame is *unannotated* if it has no shapes but tags: in a half-annotated task that is work not done
yet, so it is used only on request. A frame of which every shape was left out (automatic, of a kind
without a box, degenerate) is *unusable*: nobody said that it is empty, so it is never a negative.
"""

import hashlib
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from preannotate.formats.archive import open_export
from preannotate.formats.errors import DatasetError
from preannotate.formats.images import without_extension
from preannotate.formats.records import BOX, TAG, Export, Frame, Shape
from runtime.errors import RequestError
from runtime.image import EXIF_ORIENTATION, decode
from trainer.datasets.health import Found, Health
from trainer.datasets.names import match_names
from trainer.datasets.placing import DISAGREES, clip, place
from trainer.datasets.recognition import read_export
from trainer.datasets.repeats import without_repeats
from trainer.datasets.sample import Dataset, Sample
from trainer.datasets.store import put_image

AUTOMATIC = "automatic"
OTHER_LABEL = "of another label"
DEGENERATE = "degenerate or outside the image"
MISSING = "missing"
UNREADABLE = "unreadable"
# Small enough that a JPEG is decoded at an eighth of its size; a truncated file fails all the same.
_CHECK_SIZE = (32, 32)


def load(
    exports: Sequence[Path],
    store: Path,
    *,
    include_auto: bool = False,
    negatives: bool = False,
    labels: Sequence[str] | None = None,
    only: Collection[str] | None = None,
) -> Dataset:
    """Read annotation exports and take their images into the run's store.

    Args:
        exports: Zips or folders of any format in `FORMATS`; labels are matched by name.
        store: Folder of the run's own copy of the images; made if absent.
        include_auto: Use shapes that a model drew and nobody edited.
        negatives: Use frames without annotations as images without objects.
        labels: The class ids to use: shapes of other labels are counted and left out. None takes all
            labels in order of first appearance.
        only: Names of the images to use, with or without folders and extensions. None uses all.

    Returns:
        The samples; `health.check` says whether they suffice.

    Raises:
        DatasetError: An export that cannot be read, or a name in `only` that is not there.

    """
    store.mkdir(parents=True, exist_ok=True)
    reading = _Reading(store, include_auto, negatives, labels)
    names: list[str] = []
    for path in map(Path, exports):
        with open_export(path, store) as folder:
            export = read_export(path, folder, reading.found)
            if labels is None:
                _check_labels(export.labels, path.name)
            names += [frame.name for frame in export.frames]
            reading.take(export, only)
    if only is not None:
        match_names(only, names, where=", ".join(Path(path).name for path in exports))
    samples = without_repeats(reading.samples, reading.found)
    used_labels = tuple(reading.class_ids)
    return Dataset(used_labels, samples, Health.of(samples, used_labels, reading.found))


def _check_labels(labels: Sequence[str], where: str) -> None:
    """Refuse now what no later step could write: neither UTF-8 nor CVAT's database has a place for it."""
    for label in labels:
        if not label:
            raise DatasetError(f"{where}: a label without a name; expected one. Rename or remove it, and export again.")
        if "\0" in label or any("\ud800" <= letter <= "\udfff" for letter in label):
            raise DatasetError(
                f"{where}: label {label!r} holds a NUL or half of a letter; expected whole Unicode letters. "
                f"Rename it and export again."
            )


def _chosen(frames: Sequence[Frame], only: Collection[str] | None) -> Sequence[Frame]:
    if only is None:
        return frames
    names = [frame.name for frame in frames]
    meant = match_names(only, names, where="", unknown_allowed=True)  # another export may have the rest
    return [frame for frame in frames if frame.name in meant]


def _told_apart(frames: Sequence[Frame]) -> list[Frame]:
    """Frames with their subset in front of names that occur twice."""
    counts = Counter(frame.name for frame in frames)
    return [
        replace(frame, name=f"{frame.subset}/{frame.name}") if counts[frame.name] > 1 and frame.subset else frame
        for frame in frames
    ]


def _groups(frames: Sequence[Frame]) -> dict[str, str]:
    """Sequence to a name for its group that every export of the same video gives.

    It is made of the first and the last image: names of tasks and archives change, those do not.
    """
    ends: dict[str, list[Frame]] = {}
    for frame in frames:
        if frame.sequence and frame.image and not frame.ambiguous:
            ends.setdefault(frame.sequence, []).append(frame)
    groups = {}
    for sequence, members in ends.items():
        members.sort(key=lambda frame: frame.frame or 0)
        digest = hashlib.sha256(members[0].image.read_bytes())
        digest.update(members[-1].image.read_bytes())
        groups[sequence] = f"video:{digest.hexdigest()[:16]}"
    return groups


@dataclass(frozen=True)
class _Upright:
    """An image file that training will be able to read."""

    content: str
    size: tuple[int, int]
    orientation: int


class _Reading:
    """The rules about frames and shapes, and the counts made while they are applied."""

    def __init__(self, store: Path, include_auto: bool, negatives: bool, labels: Sequence[str] | None) -> None:
        self.store = store
        self.include_auto = include_auto
        self.negatives = negatives
        self.fixed = labels is not None
        self.class_ids = {label: index for index, label in enumerate(labels or ())}
        self.samples: list[Sample] = []
        self.groups: dict[str, str] = {}
        self.found = Found()

    def take(self, export: Export, only: Collection[str] | None) -> None:
        """Make samples of the frames of one export."""
        frames = _told_apart(export.frames)
        self.groups = _groups(frames)
        if not self.fixed:
            for label in export.labels:
                self.class_ids.setdefault(label, len(self.class_ids))
        for frame in _chosen(frames, only):
            self.found.frames += 1
            sample = self._sample(frame)
            if sample is not None:
                self.samples.append(sample)

    def _sample(self, frame: Frame) -> Sample | None:
        dropped: Counter[str] = Counter()
        shapes, ignored = [], []
        for shape in frame.shapes:
            if reason := self._reason_to_drop(shape):
                dropped[reason] += 1
                if reason == AUTOMATIC and shape.box is not None:
                    ignored.append(shape)
            else:
                shapes.append(shape)
        self.found.dropped.update(dropped)
        looked_at = any(reason not in (TAG, OTHER_LABEL) for reason in dropped) or bool(shapes)
        if not looked_at:
            self.found.unannotated += 1
            if not self.negatives:
                return None
        elif not shapes:
            self.found.unusable += 1
            return None
        upright = self._upright(frame)
        if upright is None:
            return None
        sample = self._placed(frame, shapes, ignored, upright, dropped)
        if sample is None:
            return None
        if not looked_at:
            self.found.unannotated_used += 1
        elif not len(sample.boxes):
            self.found.unusable += 1
            return None
        self.found.converted.update(sample.converted)
        self.found.partly_automatic += AUTOMATIC in dropped
        return sample

    def _reason_to_drop(self, shape: Shape) -> str:
        if not shape.boxed:
            return shape.kind or "of unknown kind"
        if shape.label not in self.class_ids:
            return OTHER_LABEL
        if shape.automatic and not self.include_auto:
            return AUTOMATIC
        return "" if shape.box is not None else DEGENERATE

    def _upright(self, frame: Frame) -> _Upright | None:
        if frame.ambiguous:
            self.found.problem(frame.ambiguous, frame.name)
            return None
        if frame.image is None:
            self.found.problem(MISSING, frame.name)
            return None
        try:
            data = frame.image.read_bytes()
            size = decode(data, _CHECK_SIZE).size
        except (OSError, RequestError) as error:
            self.found.problem(UNREADABLE, frame.name)
            self.found.unreadable[frame.name] = str(error)
            return None
        return _Upright(hashlib.sha256(data).hexdigest(), size, _orientation(frame.image))

    def _placed(
        self, frame: Frame, shapes: list[Shape], ignored: list[Shape], upright: _Upright, dropped: Counter[str]
    ) -> Sample | None:
        boxes = np.array([shape.box for shape in (*shapes, *ignored)], np.float64).reshape(-1, 4)
        boxes, problem = place(
            boxes,
            declared=frame.declared_size,
            image_size=upright.size,
            orientation=upright.orientation,
            relative=frame.relative,
        )
        if problem:
            self.found.problem(problem, frame.name)
        if problem == DISAGREES:
            return None
        boxes, kept = clip(boxes, upright.size)
        passed_over = boxes[len(shapes) :][kept[len(shapes) :]]
        boxes, kept = boxes[: len(shapes)], kept[: len(shapes)]
        if lost := int((~kept).sum()):
            dropped[DEGENERATE] += lost
            self.found.dropped[DEGENERATE] += lost
        shapes = [shape for shape, keep in zip(shapes, kept, strict=True) if keep]
        return Sample(
            name=_with_extension(frame),
            image=put_image(frame.image, upright.content, self.store),
            content=upright.content,
            image_size=upright.size,
            boxes=boxes[kept],
            class_ids=np.array([self.class_ids[shape.label] for shape in shapes], np.int64),
            group=self.groups.get(frame.sequence or "", f"image:{upright.content}"),
            frame=frame.frame if frame.sequence else None,
            dropped=dict(dropped),
            converted=dict(Counter(shape.kind for shape in shapes if shape.kind != BOX)),
            ignored=passed_over,
        )


def _with_extension(frame: Frame) -> str:
    if without_extension(frame.name) != frame.name:
        return frame.name
    return frame.name + frame.image.suffix


def _orientation(path: Path) -> int:
    try:
        with Image.open(path) as image:
            return image.getexif().get(EXIF_ORIENTATION, 1)
    except Exception:  # broken EXIF of a healthy image: Pillow raises whatever its parser meets
        return 1
