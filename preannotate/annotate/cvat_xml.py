"""Writer of "CVAT for images 1.1": the file `annotations.xml`, which CVAT imports as "CVAT 1.1".

CVAT finds the frame of an `<image>` by its name, so a name must be the path that the image has in the task.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree import ElementTree

FILE_NAME = "annotations.xml"
# A fixed time: the same annotations give the same bytes.
_DUMPED = "2026-01-01 00:00:00.000000+00:00"
_COLOURS = ("#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7", "#999999")
# XML 1.0 has no way to write these, not even escaped.
_UNWRITABLE = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class CvatBox:
    """A rectangle.

    Attributes:
        label: Name of its class.
        box: (xtl, ytl, xbr, ybr), image pixels; written with two decimals, as CVAT does.
        occluded: Whether something hides a part of it.
    """

    label: str
    box: tuple[float, float, float, float]
    occluded: bool = False


@dataclass(frozen=True)
class CvatImage:
    """An image and its rectangles; `size` is (width, height) after EXIF rotation."""

    name: str
    size: tuple[int, int]
    boxes: tuple[CvatBox, ...]


def is_writable(name: str) -> bool:
    """Whether XML can hold a name: no control characters, no half of a surrogate pair."""
    return not _UNWRITABLE.search(name)


def annotations_xml(images: Sequence[CvatImage], labels: Sequence[str], *, task: str, source: str) -> bytes:
    """The text of `annotations.xml`, UTF-8.

    Args:
        images: In the order of the frames.
        labels: All labels of the task.
        task: Its name.
        source: Who drew the rectangles: "manual" or "auto".
    """
    root = ElementTree.Element("annotations")
    _child(root, "version", "1.1")
    root.append(_meta(len(images), labels, task))
    for frame, image in enumerate(images):
        root.append(_image(frame, image, source))
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="utf-8", xml_declaration=True) + b"\n"


def _meta(count: int, labels: Sequence[str], name: str) -> ElementTree.Element:
    meta = ElementTree.Element("meta")
    task = _child(meta, "task")
    for key, text in (("id", "1"), ("name", name), ("size", str(count)), ("mode", "annotation")):
        _child(task, key, text)
    for key, text in (("overlap", "0"), ("start_frame", "0"), ("stop_frame", str(max(count - 1, 0)))):
        _child(task, key, text)
    _child(task, "frame_filter", "")
    parent = _child(task, "labels")
    for i, label_name in enumerate(labels):
        label = _child(parent, "label")
        _child(label, "name", label_name)
        _child(label, "color", _COLOURS[i % len(_COLOURS)])
        _child(label, "type", "rectangle")
        _child(label, "attributes", "")
    _child(meta, "dumped", _DUMPED)
    return meta


def _image(frame: int, image: CvatImage, source: str) -> ElementTree.Element:
    width, height = image.size
    element = ElementTree.Element(
        "image", {"id": str(frame), "name": image.name, "width": str(width), "height": str(height)}
    )
    for box in image.boxes:
        corners = zip(("xtl", "ytl", "xbr", "ybr"), (f"{value:.2f}" for value in box.box), strict=True)
        ElementTree.SubElement(
            element,
            "box",
            {"label": box.label, "source": source, "occluded": str(int(box.occluded))}
            | dict(corners)
            | {"z_order": "0"},
        )
    return element


def _child(parent: ElementTree.Element, tag: str, text: str | None = None) -> ElementTree.Element:
    child = ElementTree.SubElement(parent, tag)
    child.text = text
    return child
