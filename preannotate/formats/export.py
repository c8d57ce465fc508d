"""What a format reader finds: frames with shapes, before any rule about what is used.

Readers only translate; clipping, dropping and hashing are done once, for all formats, in `loading`.
"""

from dataclasses import dataclass
from pathlib import Path

# Kinds of shapes that are boxes or become their tight axis-aligned box.
BOX = "box"
CONVERTED_KINDS = ("rotated box", "polygon", "mask", "ellipse")
# All other kinds are counted and left out: "tag", "points", "polyline", "cuboid", "skeleton", ….
TAG = "tag"


@dataclass(frozen=True)
class Shape:
    """One annotation of a frame.

    Attributes:
        label: Name as in the file.
        kind: `BOX`, one of `CONVERTED_KINDS`, or what cannot become a box.
        box: Tight axis-aligned box, xyxy, not clipped, in pixels of the frame's declared size, or in
            [0, 1] if the frame is `relative`. None for a kind that cannot become a box or an empty mask.
        automatic: The file says that a model drew it and nobody edited it.

    """

    label: str
    kind: str
    box: tuple[float, float, float, float] | None
    automatic: bool = False


@dataclass(frozen=True)
class Frame:
    """One image of an export.

    Attributes:
        name: Name in the export, for people; without extension if the file names none.
        image: The image's file, or None if the export lacks it.
        shapes: In the order of the file.
        declared_size: (width, height) that the annotation file says, or None if it says nothing.
        relative: Boxes are fractions of the image's size.
        subset: Name of the part of the export, if it has parts: tells equal names apart.
        sequence: Name, inside the export, of the video the frame belongs to; None for an image of its own.
        frame: Number of the frame in the video.
        ambiguous: Why it cannot be told which file is meant, or "".

    """

    name: str
    image: Path | None
    shapes: tuple[Shape, ...]
    declared_size: tuple[int, int] | None = None
    relative: bool = False
    subset: str = ""
    sequence: str | None = None
    frame: int | None = None
    ambiguous: str = ""


@dataclass(frozen=True)
class Export:
    """The content of one annotation folder.

    Attributes:
        labels: In declared order if the format declares them, else in order of first appearance.
        frames: In the order of the file.
        tells_automatic: The format says which shapes a model drew.
        notes: Whole sentences about what had to be guessed.

    """

    labels: tuple[str, ...]
    frames: tuple[Frame, ...]
    tells_automatic: bool = False
    notes: tuple[str, ...] = ()
