"""What annotation files hold: what format readers return and format writers take.

Readers only translate. Which frames and shapes are used is decided by the caller, once for all formats.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from preannotate.core.errors import PreannotateError
from preannotate.formats.outlines import Outline


class DatasetError(PreannotateError, ValueError):
    """An annotation file says something impossible, or there is too little to train on."""

    @property
    def place(self) -> str:
        """The file and what was found in it, without what was expected."""
        return str(self).partition(";")[0]


class EntryError(DatasetError):
    """One entry of an annotation file cannot be understood; the message is a `LeftOut.reason`. Readers go on."""


Box = tuple[float, float, float, float]

# Kinds of shapes that are boxes or become their tight axis-aligned box.
BOX, ROTATED_BOX = "box", "rotated box"
CONVERTED_KINDS = (ROTATED_BOX, "polygon", "mask", "ellipse")
# Of these, what people draw where the outline matters.
OUTLINE_KINDS = ("polygon", "mask", "ellipse")
# All other kinds are counted and left out: "tag", "points", "polyline", "cuboid", "skeleton", ….
TAG = "tag"
# Reasons of entries and shapes that are left out, without numbers or names, so that equal ones can be counted.
NO_LABEL = "without a label"
UNKNOWN_CLASS = "of a class that is not declared"
UNKNOWN_IMAGE = "of an image that is not listed"
UNKNOWN_FRAME = "with a frame number that is not in the task"
NO_NUMBERS = "with coordinates that are no numbers"
NO_BOX = "without a box"
FEW_POINTS = "polygon of fewer than three points"
BAD_MASK = "mask whose runs do not fill its size"
BAD_MASK_SIZE = "mask of another size than its image"
REPEATED = "entry that is there twice"
NOT_UNDERSTOOD = "entry that is not understood"
DAMAGED_FILE = "annotation file that cannot be read"
_PLACES_KEPT = 100
# Sources of shapes as CVAT names them.
MANUAL, AUTOMATIC = "manual", "auto"


@dataclass(frozen=True)
class Shape:
    """One annotation of a frame.

    Attributes:
        kind: `BOX`, one of `CONVERTED_KINDS`, or a kind that cannot become a box.
        box: Tight axis-aligned box, xyxy, not clipped, in pixels of the frame's declared size, or in
            [0, 1] if the frame is `relative`; corners may be swapped. Of a kind that cannot become a box, the region
            around it: neither object nor background. None for an empty mask and where no place is known.
        source: Who drew it: `MANUAL`, `AUTOMATIC`, "semi-auto", …; "" if the format does not say.
        score: Of a detection, in [0, 1]; None for an annotation.
        outline: What is inside of it exactly; None for a plain box, and where a reader was not asked for outlines.
        problem: Why the shape cannot be used although its kind could, a `LeftOut.reason`; "" if it can. If it has a
            box, that region is neither object nor background. Its label may be "": unknown.
        where: Its place in the annotation file: file and line, or file and id; "" if the reader does not say.
    """

    label: str
    kind: str
    box: Box | None
    source: str = ""
    score: float | None = None
    occluded: bool = False
    outline: Outline | None = None
    problem: str = ""
    where: str = ""

    @property
    def automatic(self) -> bool:
        """Whether a model drew it and nobody edited it; False if the format does not say."""
        return self.source == AUTOMATIC

    @property
    def boxed(self) -> bool:
        """Whether shapes of this kind are boxes or become boxes."""
        return self.kind == BOX or self.kind in CONVERTED_KINDS


@dataclass(frozen=True)
class LeftOut:
    """An entry of an annotation file that belongs to no frame or cannot be understood, and was left out.

    Attributes:
        reason: The kind of problem, without numbers or names: equal problems are counted under equal reasons.
        where: Its place: file and line, or file and id; "" for those of which only the number is kept.
        count: Number of such entries.
    """

    reason: str
    where: str
    count: int = 1


class LeftOutEntries:
    """Entries that a reader leaves out: only the first of each reason keep their place, for there may be millions.

    Attributes:
        damaged: The errors of files that could not be read.
    """

    def __init__(self) -> None:
        self.damaged: list[DatasetError] = []
        self._first: dict[str, list[LeftOut]] = {}
        self._more: Counter[str] = Counter()

    def add(self, reason: str, where: str) -> None:
        """Add one entry."""
        first = self._first.setdefault(reason, [])
        if len(first) < _PLACES_KEPT:
            first.append(LeftOut(reason, where))
        else:
            self._more[reason] += 1

    def add_file(self, error: DatasetError) -> None:
        """Add an annotation file that could not be read, or not to its end."""
        self.damaged.append(error)
        self.add(DAMAGED_FILE, error.place)

    def all(self) -> tuple[LeftOut, ...]:
        """Return the entries, those without a place as one for each reason."""
        entries = [entry for first in self._first.values() for entry in first]
        return (*entries, *(LeftOut(reason, "", count) for reason, count in self._more.items()))


@dataclass(frozen=True)
class Frame:
    """One image of an export.

    Attributes:
        name: Name in the export; without extension if the file names none.
        image: The image's file, or None if the export lacks it.
        shapes: In the order of the file.
        declared_size: (width, height) in the annotation file, or None if it gives none.
        relative: Boxes are fractions of the image's size.
        subset: Name of the part of the export, if it has parts: distinguishes equal names.
        task_id: The CVAT task of the frame, in formats that hold several tasks; else "".
        sequence: Name, inside the export, of the video the frame belongs to; None for an image of its own.
        frame: Number of the frame in the video or task; None if unknown.
        problem: Why the image cannot be used although the export has or may have its file: a kind of problem
            such as "two files of this name" or "HEIC, which is not read"; "" if nothing is known.
    """

    name: str
    image: Path | None
    shapes: tuple[Shape, ...]
    declared_size: tuple[int, int] | None = None
    relative: bool = False
    subset: str = ""
    task_id: str = ""
    sequence: str | None = None
    frame: int | None = None
    problem: str = ""


@dataclass(frozen=True)
class Export:
    """The content of one annotation export.

    Attributes:
        labels: In declared order if the format declares them, else in order of first appearance.
        has_sources: The format states which shapes a model drew.
        label_types: What CVAT lets people draw for a label: "rectangle", "polygon", "mask", "any", …; without those
            labels of which the format does not say it.
        notes: Whole sentences about what had to be guessed.
        left_out: Entries that could not be read; the others are used all the same.
    """

    labels: tuple[str, ...]
    frames: tuple[Frame, ...]
    has_sources: bool = False
    label_types: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
