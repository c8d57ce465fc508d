"""What CVAT's two XML formats share: `<meta>` and the shapes, as elements and as records."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from xml.etree.ElementTree import Element, SubElement

from preannotate.formats.file_tree import FileTree
from preannotate.formats.geometry import ellipse_box, mask_box, points_box, rotated_box
from preannotate.formats.parsing import number, xml_elements, xml_root_tag
from preannotate.formats.records import BOX, MANUAL, ROTATED_BOX, TAG, Box, DatasetError, Shape

FILE_NAME = "annotations.xml"
# Types of labels that cannot have a box; "any" and a label without a type, as older servers write it, can.
BOXLESS_LABEL_TYPES = ("tag", "points", "polyline", "cuboid", "skeleton")
SHAPE_TAGS = (BOX, "polygon", "mask", "ellipse", TAG, "points", "polyline", "cuboid", "skeleton")
_CORNERS = ("xtl", "ytl", "xbr", "ybr")
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
        video: Whether its frames are those of a video file; None if not given.
        start: Absolute number of the first frame.
    """

    id: str = ""
    name: str = ""
    size: int | None = None
    video: bool | None = None
    start: int = 0


@dataclass(frozen=True)
class CvatMeta:
    """`<meta>` of an export of a task, a job or a project.

    Attributes:
        labels: Names of the labels that can have boxes, in declared order.
        tasks: By id; one entry under "" as well if there is only one.
    """

    labels: tuple[str, ...] = ()
    tasks: Mapping[str, CvatTask] = field(default_factory=dict)

    def task(self, task_id: str) -> CvatTask:
        """Return the task with this id, or one of which nothing is known."""
        return self.tasks.get(task_id, CvatTask())


def annotation_files(files: FileTree, *, tracks: bool) -> Iterator[str]:
    """Yield CVAT's files, of any name: those that begin with a track ("CVAT for video"), or the others."""
    for path in files.candidates(".xml", lambda path: _is_cvat_xml(files, path)):
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


def parse_meta(element: Element) -> CvatMeta:
    """Read `<meta>`."""
    labels = [
        (label.findtext("name") or "").strip()
        for labels in element.iter("labels")
        for label in labels.findall("label")
        if label.findtext("parent") is None and (label.findtext("type") or "any") not in BOXLESS_LABEL_TYPES
    ]
    tasks = {task.id: task for tag in ("task", "job") for task in map(_parse_task, element.iter(tag))}
    if len(tasks) == 1:
        tasks[""] = next(iter(tasks.values()))
    return CvatMeta(tuple(dict.fromkeys(labels)), tasks)


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


def parse_shape(element: Element, where: str, *, default_label: str = "") -> Shape:
    """Read a shape element, of an image or of a track, whose label is `default_label`.

    Error messages begin with `where`: file, image, number of the shape.
    """
    label = element.get("label", default_label).strip()
    if not label:
        raise DatasetError(f"{where} has no label; expected a label. Correct the shape or export again.")
    kind: str = element.tag
    box: Box | None = None
    if kind == BOX:
        x1, y1, x2, y2 = (_number(element, name, where) for name in _CORNERS)
        box = x1, y1, x2, y2
        if degrees := _rotation(element, where):
            kind, box = ROTATED_BOX, rotated_box(box, degrees)
    elif kind == "polygon":
        box = points_box(_points(element, where))
    elif kind == "ellipse":
        cx, cy, rx, ry = (_number(element, name, where) for name in ("cx", "cy", "rx", "ry"))
        box = ellipse_box(cx, cy, rx, ry, _rotation(element, where))
    elif kind == "mask":
        box = _mask_box(element, where)
    occluded = element.get("occluded") == "1"
    return Shape(label, kind, box, source=element.get("source", ""), occluded=occluded)


def add_shape(parent: Element, shape: Shape) -> None:
    """Add a shape to an `<image>`: its outline if it has one, else its box, if it has that."""
    tag = BOX if shape.kind == ROTATED_BOX or (shape.boxed and not shape.outline) else shape.kind
    geometry = shape.outline
    if not geometry and shape.box is not None:
        geometry = box_outline(shape.box)
    attributes = {"label": shape.label, "source": shape.source or MANUAL, "occluded": str(int(shape.occluded))}
    SubElement(parent, tag, {**attributes, **geometry, "z_order": "0"})


def box_outline(box: Box) -> dict[str, str]:
    """Return the attributes of `<box>`."""
    return dict(zip(_CORNERS, map(coordinate, box), strict=True))


def coordinate(value: float) -> str:
    """Return a coordinate as CVAT writes it, with two decimals."""
    return f"{value:.2f}"


def _parse_task(element: Element) -> CvatTask:
    mode = (element.findtext("mode") or "").strip()
    return CvatTask(
        id=(element.findtext("id") or "").strip(),
        name=(element.findtext("name") or "").strip(),
        size=_whole(element.findtext("size")),
        video=(mode == "interpolation") if mode else None,
        start=_whole(element.findtext("start_frame")) or 0,
    )


def _whole(text: str | None) -> int | None:
    return int(text) if text and text.strip().isdecimal() else None


def _mask_box(element: Element, where: str) -> Box | None:
    left, top, width, height = (int(_number(element, name, where)) for name in ("left", "top", "width", "height"))
    counts = [int(number(count, f"{where}: rle")) for count in element.get("rle", "").split(",")]
    try:
        return mask_box(counts, left=left, top=top, width=width, height=height)
    except ValueError as error:
        raise DatasetError(
            f"{where}: rle covers {error} pixels; expected {width}x{height}. Draw the mask again or remove it."
        ) from None


def _points(element: Element, where: str) -> list[float]:
    coordinates = []
    for pair in element.get("points", "").split(";"):
        x, _, y = pair.partition(",")
        coordinates += [number(x, f"{where}: x of points"), number(y, f"{where}: y of points")]
    return coordinates


def _rotation(element: Element, where: str) -> float:
    return _number(element, "rotation", where) if element.get("rotation") else 0.0


def _number(element: Element, name: str, where: str) -> float:
    return number(element.get(name), f"{where}: {name}")
