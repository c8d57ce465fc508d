"""Writer of "CVAT for images 1.1": the file `annotations.xml`, which CVAT imports as "CVAT 1.1".

CVAT finds the frame of an `<image>` by its name, so a name must be the path that the image has in the task.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from xml.etree import ElementTree

FILE_NAME = "annotations.xml"
# A fixed time: the same annotations give the same bytes.
_DUMPED = "2026-01-01 00:00:00.000000+00:00"
_COLOURS = ("#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7", "#999999")
# XML 1.0 has no way to write these, not even escaped.
_UNWRITABLE = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class CvatLabel:
    """A label of a task; `color` as in "#ff0000", `type` as CVAT calls it: "rectangle", "any", …."""

    name: str
    color: str
    type: str = "rectangle"


@dataclass(frozen=True)
class CvatShape:
    """A shape of an image.

    Attributes:
        tag: Name of its element: "box", "polygon", "ellipse", "mask", …; see `preannotate.formats.cvat_xml`.
        label: Name of its class.
        geometry: The element's attributes that say where it is, as text.
        source: Who drew it: "manual", "auto", ….
        occluded: Whether something hides a part of it.
    """

    tag: str
    label: str
    geometry: Mapping[str, str]
    source: str
    occluded: bool = False


@dataclass(frozen=True)
class CvatImage:
    """An image and its shapes.

    Attributes:
        name: Path in the task.
        size: (width, height) after EXIF rotation.
        shapes: In the order of the file.
        task_id: Id of its task if the file holds several; "" writes none.
        frame: Number in its task; None takes the position in the file.
    """

    name: str
    size: tuple[int, int]
    shapes: tuple[CvatShape, ...]
    task_id: str = ""
    frame: int | None = None


@dataclass(frozen=True)
class CvatTask:
    """What `<meta>` says about a task: `mode` is "annotation" for images, "interpolation" for a video."""

    id: int
    name: str
    size: int
    mode: str = "annotation"


def number(value: float) -> str:
    """A coordinate as CVAT writes it, with two decimals."""
    return f"{value:.2f}"


def box(label: str, corners: Sequence[float], *, source: str, occluded: bool = False) -> CvatShape:
    """A rectangle; `corners` are (xtl, ytl, xbr, ybr), image pixels."""
    geometry = dict(zip(("xtl", "ytl", "xbr", "ybr"), map(number, corners), strict=True))
    return CvatShape("box", label, geometry, source, occluded)


def is_writable(name: str) -> bool:
    """Whether XML can hold a name: no control characters, no half of a surrogate pair."""
    return not _UNWRITABLE.search(name)


def annotations_xml(images: Sequence[CvatImage], labels: Sequence[str], *, task: str) -> bytes:
    """The text of `annotations.xml` of one task, UTF-8.

    Args:
        images: In the order of the frames.
        labels: All labels of the task.
        task: Its name.
    """
    coloured = [CvatLabel(name, _COLOURS[i % len(_COLOURS)]) for i, name in enumerate(labels)]
    meta = ElementTree.Element("meta")
    element = _task(meta, CvatTask(1, task, len(images)))
    for key, text in (("overlap", "0"), ("start_frame", "0"), ("stop_frame", str(max(len(images) - 1, 0)))):
        _child(element, key, text)
    _child(element, "frame_filter", "")
    _labels(element, coloured)
    return b"".join(_document(meta, images))


def project_xml(
    images: Iterable[CvatImage], labels: Sequence[CvatLabel], tasks: Sequence[CvatTask], *, name: str
) -> Iterator[bytes]:
    """The text of `annotations.xml` of several tasks with the same labels, piece by piece, UTF-8.

    Args:
        images: Each with the id of its task.
        labels: Of all tasks.
        tasks: In the order of their images.
        name: Of the project.
    """
    meta = ElementTree.Element("meta")
    project = _child(meta, "project")
    _child(project, "name", name)
    _labels(project, labels)
    parent = _child(project, "tasks")
    for task in tasks:
        _task(parent, task)
    yield from _document(meta, images)


def _document(meta: ElementTree.Element, images: Iterable[CvatImage]) -> Iterator[bytes]:
    yield b"<?xml version='1.0' encoding='utf-8'?>\n<annotations>\n  <version>1.1</version>\n"
    _child(meta, "dumped", _DUMPED)
    yield _text(meta)
    for position, image in enumerate(images):
        yield _text(_image(position if image.frame is None else image.frame, image))
    yield b"</annotations>\n"


def _text(element: ElementTree.Element) -> bytes:
    ElementTree.indent(element, level=1)
    return b"  " + ElementTree.tostring(element, encoding="utf-8") + b"\n"


def _task(parent: ElementTree.Element, task: CvatTask) -> ElementTree.Element:
    element = _child(parent, "task")
    for key, text in (("id", str(task.id)), ("name", task.name), ("size", str(task.size)), ("mode", task.mode)):
        _child(element, key, text)
    return element


def _labels(parent: ElementTree.Element, labels: Sequence[CvatLabel]) -> None:
    parent = _child(parent, "labels")
    for label in labels:
        element = _child(parent, "label")
        _child(element, "name", label.name)
        _child(element, "color", label.color)
        _child(element, "type", label.type)
        _child(element, "attributes", "")


def _image(frame: int, image: CvatImage) -> ElementTree.Element:
    width, height = image.size
    attributes = {"id": str(frame), "name": image.name, "width": str(width), "height": str(height)}
    if image.task_id:
        attributes["task_id"] = image.task_id
    element = ElementTree.Element("image", attributes)
    for shape in image.shapes:
        said = {"label": shape.label, "source": shape.source, "occluded": str(int(shape.occluded))}
        ElementTree.SubElement(element, shape.tag, said | dict(shape.geometry) | {"z_order": "0"})
    return element


def _child(parent: ElementTree.Element, tag: str, text: str | None = None) -> ElementTree.Element:
    child = ElementTree.SubElement(parent, tag)
    child.text = text
    return child
