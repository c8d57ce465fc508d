"""What CVAT's two XML formats share: `<meta>` and the shapes, as elements and as records."""

import contextlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path, PurePosixPath
from xml.etree.ElementTree import Element, SubElement

from preannotate.formats.file_tree import FileTree
from preannotate.formats.geometry import box_shape, ellipse_shape, mask_shape, points_box, polygon_shape, size_box
from preannotate.formats.outlines import Ellipse, Outline, Polygons, RotatedBox, RunLengths
from preannotate.formats.parsing import number, read_shape, whole_number
from preannotate.formats.records import (
    BAD_MASK,
    BOX,
    MANUAL,
    NO_LABEL,
    TAG,
    Box,
    DatasetError,
    EntryError,
    Shape,
)
from preannotate.formats.xml_file import xml_elements, xml_root_tag

FILE_NAME = "annotations.xml"
# The type of labels for which any shape may be drawn.
ANY = "any"
# Types of labels that cannot have a box; "any" and a label without a type, as older servers write it, can.
BOXLESS_LABEL_TYPES = ("tag", "points", "polyline", "cuboid", "skeleton")
SHAPE_TAGS = (BOX, "polygon", "mask", "ellipse", TAG, "points", "polyline", "cuboid", "skeleton")
_CORNERS = ("xtl", "ytl", "xbr", "ybr")
_CUBOID_CORNERS = ("tl1", "bl1", "tr1", "br1", "tl2", "bl2", "tr2", "br2")
_STEP = re.compile(r"step\s*=\s*(\d{1,9})", re.ASCII)
# XML 1.0 cannot hold these, not even escaped.
_UNWRITABLE = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class CvatLabel:
    """A label of a task; `color` as in "#ff0000", `type` in CVAT's words: "rectangle", "any", …."""

    name: str
    color: str
    type: str = "rectangle"


@dataclass(frozen=True)
class CvatTask:
    """One task of `<meta>`.

    Attributes:
        size: Number of frames, deleted ones too; None if not given.
        video: Whether its frames are those of a video file; None if not given.
        start: Absolute number of the first frame. Of a job, too.
        stop: Absolute number of the last frame; None if not given.
        step: Difference of the absolute numbers of neighbours, from `frame_filter`; None if that is not understood.
    """

    id: str = ""
    name: str = ""
    size: int | None = None
    video: bool | None = None
    subset: str = ""
    start: int = 0
    stop: int | None = None
    step: int | None = 1

    @property
    def length(self) -> int | None:
        """Number of frames, from the last frame or from the size; None if neither is known."""
        if self.stop is not None and self.step is not None:
            return (self.stop - self.start) // self.step + 1
        return self.size or None

    @property
    def is_proven(self) -> bool:
        """Whether size, stop and step are there and agree: then it is a number that fits no frame which is odd."""
        return self.stop is not None and self.size is not None and self.size == self.length

    def position(self, frame: int) -> int | None:
        """Return which frame of the task, from 0, has this absolute number; None if none has."""
        if self.step is None:
            return None
        position, rest = divmod(frame - self.start, self.step)
        beyond = self.length is not None and position >= self.length
        return None if rest or position < 0 or beyond else position


@dataclass(frozen=True)
class CvatMeta:
    """`<meta>` of an export of a task, a job or a project.

    Attributes:
        labels: Names of the labels that can have boxes, in declared order.
        label_types: Their types, of those labels whose type is given.
        tasks: By id; one entry under "" as well if there is only one.
    """

    labels: tuple[str, ...] = ()
    tasks: Mapping[str, CvatTask] = field(default_factory=dict)
    label_types: Mapping[str, str] = field(default_factory=dict)

    def task(self, task_id: str) -> CvatTask:
        """Return the task with this id, or one of which nothing is known."""
        return self.tasks.get(task_id, CvatTask())


_PULLED_VALIDATION = "validation/"


def annotation_files(files: FileTree, *, tracks: bool) -> Iterator[str]:
    """Yield CVAT's files, of any name: those that begin with a track ("CVAT for video"), or the others.

    The validation part of a folder that `pull` wrote, which `source.json` tells, is an export of its own.
    """
    pulled = files.file("source.json").is_file() and files.file(FILE_NAME).is_file()
    for path in files.candidates(".xml", lambda path: _is_cvat_xml(files, path)):
        if pulled and path.startswith(_PULLED_VALIDATION):
            continue
        if _has_tracks(files.file(path)) == tracks:
            yield path


def part_of(path: str, paths: Sequence[str]) -> str:
    """Return a name for the file among several of one export: its folder, or its stem; "" if it is the only one."""
    if len(paths) == 1:
        return ""
    folders = {PurePosixPath(other).parent for other in paths}
    return str(PurePosixPath(path).parent if len(folders) == len(paths) else PurePosixPath(path).with_suffix(""))


def _is_cvat_xml(files: FileTree, path: str) -> bool:
    tag = xml_root_tag(files.file(path))
    return tag == "annotations" or (tag == "" and PurePosixPath(path).name == FILE_NAME)  # damaged: `read` says where


def _has_tracks(path: Path) -> bool:
    try:
        tags = (element.tag for element in xml_elements(path))
        return next((tag for tag in tags if tag in ("image", "track")), "") == "track"
    except DatasetError:  # damaged further down: `read` will say where
        return False


def is_writable(name: str) -> bool:
    """Whether XML can hold a name: no control characters, no half of a surrogate pair."""
    return not _UNWRITABLE.search(name)


def writable(text: str) -> str:
    """Return text with the replacement character in place of what XML cannot hold."""
    return _UNWRITABLE.sub("\ufffd", text)


def parse_meta(element: Element) -> CvatMeta:
    """Read `<meta>`."""
    declared = [
        ((label.findtext("name") or "").strip(), (label.findtext("type") or "").strip())
        for labels in element.iter("labels")
        for label in labels.findall("label")
        if label.findtext("parent") is None
    ]
    boxed = [{name: kind} for name, kind in declared if name and kind not in BOXLESS_LABEL_TYPES]
    types = join_label_types(boxed)
    tasks = {task.id: task for tag in ("task", "job") for task in map(_parse_task, element.iter(tag))}
    if len(tasks) == 1:
        tasks[""] = next(iter(tasks.values()))
    return CvatMeta(tuple(types), tasks, {name: kind for name, kind in types.items() if kind})


def join_label_types(parts: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Return the types of the labels of several tasks; a label of two types is of the type `ANY`."""
    types: dict[str, str] = {}
    for part in parts:
        for name, label_type in part.items():
            types[name] = label_type if types.get(name, label_type) == label_type else ANY
    return types


def add_task(parent: Element, task: CvatTask) -> Element:
    """Add `<task>` to `<meta>` or `<tasks>`, without its labels."""
    element = SubElement(parent, "task")
    mode = "interpolation" if task.video else "annotation"
    for tag, text in (("id", task.id), ("name", task.name), ("size", str(task.size or 0)), ("mode", mode)):
        add_text(element, tag, text)
    return element


def add_labels(parent: Element, labels: Sequence[CvatLabel]) -> None:
    """Add `<labels>` to a task or a project."""
    parent = SubElement(parent, "labels")
    for label in labels:
        element = SubElement(parent, "label")
        for tag, text in (("name", label.name), ("color", label.color), ("type", label.type), ("attributes", "")):
            add_text(element, tag, text)


def add_text(parent: Element, tag: str, text: str) -> None:
    """Add an element that holds text."""
    SubElement(parent, tag).text = text


def parse_shape(element: Element, where: str, *, default_label: str = "", outlines: bool = False) -> Shape:
    """Read a shape element, of an image or of a track, whose label is `default_label`; never fails.

    Args:
        element: `<box>`, `<polygon>`, ….
        where: Its place: file, image, number of the shape.
        default_label: See above.
        outlines: As in `read_shape`.
    """
    label = element.get("label", default_label).strip()
    shape = read_shape(
        partial(_shape, element, label),
        where,
        label=label,
        region=partial(_region, element),
        outlines=outlines,
        source=element.get("source", ""),
        occluded=element.get("occluded") == "1",
    )
    return shape if label or shape.problem else replace(shape, problem=NO_LABEL)


def _shape(element: Element, label: str) -> Shape:
    kind: str = element.tag
    if kind == BOX:
        x1, y1, x2, y2 = (_number(element, name) for name in _CORNERS)
        return box_shape(label, (x1, y1, x2, y2), _rotation(element))
    if kind == "polygon":
        return polygon_shape(label, _points(element.get("points", "")))
    if kind == "ellipse":
        cx, cy, rx, ry = (_number(element, name) for name in ("cx", "cy", "rx", "ry"))
        return ellipse_shape(label, cx, cy, rx, ry, _rotation(element))
    if kind == "mask":
        return mask_shape(label, _mask(element))
    return Shape(label, kind, _region(element))


def _region(element: Element) -> Box | None:
    """Return the box around whatever points a shape has; None if it has none that can be read."""
    if element.tag == "mask":
        left, top, width, height = (whole_number(element.get(name)) for name in ("left", "top", "width", "height"))
        known = None not in (left, top, width, height)
        return size_box(left or 0, top or 0, width or 0, height or 0) if known else None
    found: list[float] = []
    for part in element.iter():
        texts = [part.get("points", "")] if part.get("outside") != "1" else []
        if element.tag == "cuboid":
            texts = [f"{part.get(f'x{corner}')},{part.get(f'y{corner}')}" for corner in _CUBOID_CORNERS]
        for pair in ";".join(texts).split(";"):
            with contextlib.suppress(EntryError):
                found += _points(pair)
    return points_box(found) if found else None


def add_shape(parent: Element, shape: Shape) -> None:
    """Add a shape to an `<image>`: its outline if it has one, else its box, if it has that.

    Raises:
        ValueError: An outline that CVAT's XML cannot hold: several polygons, or a picture.
    """
    tag = BOX if shape.boxed else shape.kind
    geometry: dict[str, str] = {}
    if shape.outline is not None:
        tag, geometry = _element(shape.outline)
    elif shape.box is not None:
        geometry = _corners(shape.box)
    attributes = {"label": shape.label, "source": shape.source or MANUAL, "occluded": str(int(shape.occluded))}
    SubElement(parent, tag, {**attributes, **geometry, "z_order": "0"})


def _element(outline: Outline) -> tuple[str, dict[str, str]]:
    """Return the tag and the attributes of an outline."""
    match outline:
        case Polygons(parts=(points,)):
            pairs = zip(points[0::2], points[1::2], strict=True)
            return "polygon", {"points": ";".join(f"{_coordinate(x)},{_coordinate(y)}" for x, y in pairs)}
        case RotatedBox():
            return BOX, _corners(outline.box) | {"rotation": _coordinate(outline.degrees)}
        case Ellipse():
            numbers = {name: _coordinate(getattr(outline, name)) for name in ("cx", "cy", "rx", "ry")}
            return "ellipse", numbers | ({"rotation": _coordinate(outline.degrees)} if outline.degrees else {})
        case RunLengths(by_columns=False):
            place = {name: str(getattr(outline, name)) for name in ("left", "top", "width", "height")}
            return "mask", {"rle": ", ".join(map(str, outline.counts))} | place
        case _:
            raise ValueError(f"{type(outline).__name__}: CVAT's XML has one polygon, or runs row by row")


def _corners(box: Box) -> dict[str, str]:
    return dict(zip(_CORNERS, map(_coordinate, box), strict=True))


def _coordinate(value: float) -> str:
    """Return a coordinate as CVAT writes it, with two decimals."""
    return f"{value:.2f}"


def _parse_task(element: Element) -> CvatTask:
    mode = (element.findtext("mode") or "").strip()
    step = _STEP.fullmatch((element.findtext("frame_filter") or "").strip() or "step=1")
    return CvatTask(
        id=(element.findtext("id") or "").strip(),
        name=(element.findtext("name") or "").strip(),
        subset=(element.findtext("subset") or "").strip(),
        size=whole_number(element.findtext("size")),
        video=(mode == "interpolation") if mode else None,
        start=whole_number(element.findtext("start_frame")) or 0,
        stop=whole_number(element.findtext("stop_frame")),
        step=(int(step[1]) or None) if step else None,
    )


def _mask(element: Element) -> RunLengths:
    left, top, width, height = (int(_number(element, name)) for name in ("left", "top", "width", "height"))
    counts = [int(number(count, BAD_MASK)) for count in element.get("rle", "").split(",")]
    return RunLengths(counts, left, top, width, height)


def _points(text: str) -> list[float]:
    """Return x1, y1, x2, y2, … of "x1,y1;x2,y2"."""
    return [number(value) for pair in text.split(";") if pair.strip() for value in pair.partition(",")[::2]]


def _rotation(element: Element) -> float:
    return _number(element, "rotation") if element.get("rotation") else 0.0


def _number(element: Element, name: str) -> float:
    return number(element.get(name))
