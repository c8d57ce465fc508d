"""What CVAT's two XML formats share: the `<meta>` element and the shapes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree.ElementTree import Element

from preannotate.formats.errors import DatasetError
from preannotate.formats.export import BOX, TAG, Shape
from preannotate.formats.geometry import Box, ellipse_box, points_box, rotated_box, run_length_box
from preannotate.formats.parsing import number, xml_elements, xml_root_tag

FILE_NAME = "annotations.xml"
# Types of labels that cannot have a box; "any" and those of older servers, which say nothing, can.
BOXLESS_LABEL_TYPES = ("tag", "points", "polyline", "cuboid", "skeleton")
_BOXLESS_KINDS = (TAG, "points", "polyline", "cuboid", "skeleton")
SHAPE_KINDS = (BOX, "polygon", "mask", "ellipse", *_BOXLESS_KINDS)
_AUTOMATIC = "auto"


@dataclass(frozen=True)
class Task:
    """What `<meta>` says about one task.

    Attributes:
        video: Its frames are those of a video file; False for images of their own, None if not said.
        frames: Number of frames, 0 if not said.
        start: Absolute number of the first frame.

    """

    video: bool | None = None
    frames: int = 0
    start: int = 0


@dataclass(frozen=True)
class Meta:
    """`<meta>` of an export of a task, a job or a project.

    Attributes:
        labels: Names of the labels that can have boxes, in declared order.
        tasks: By id as in the file; one entry under "" as well if there is only one.

    """

    labels: tuple[str, ...] = ()
    tasks: Mapping[str, Task] = field(default_factory=dict)

    def task(self, task_id: str | None) -> Task:
        """The task of an element that has this `task_id`, or none."""
        return self.tasks.get(task_id or "", Task())


def first_child(folder: Path, tags: tuple[str, ...]) -> str:
    """Tag of the first of `tags` below the root of `annotations.xml`; "" if there is none."""
    try:
        return next((element.tag for element in xml_elements(folder / FILE_NAME) if element.tag in tags), "")
    except DatasetError:  # damaged further down: `read` will say where
        return ""


def is_cvat_xml(folder: Path) -> bool:
    """Whether the folder has CVAT's `annotations.xml`."""
    path = folder / FILE_NAME
    return path.is_file() and xml_root_tag(path) in ("annotations", "")  # "": damaged, `read` says where


def parse_meta(element: Element) -> Meta:
    """Read `<meta>`."""
    labels = [
        (label.findtext("name") or "").strip()
        for labels in element.iter("labels")
        for label in labels.findall("label")
        if label.findtext("parent") is None and (label.findtext("type") or "any") not in BOXLESS_LABEL_TYPES
    ]
    tasks = {}
    for tag in ("task", "job"):
        for task in element.iter(tag):
            tasks[(task.findtext("id") or "").strip()] = _task(task)
    if len(tasks) == 1:
        tasks[""] = next(iter(tasks.values()))
    return Meta(tuple(dict.fromkeys(labels)), tasks)


def parse_shape(element: Element, where: str, *, default_label: str = "") -> Shape:
    """Read a shape element, of an image or of a track.

    Args:
        element: `<box>`, `<polygon>`, …
        where: Beginning of error messages: file, image, number of the shape.
        default_label: Label of the track if the element has none.

    """
    label = element.get("label", default_label).strip()
    if not label:
        raise DatasetError(f"{where} has no label; expected one. Mend the shape or export again.")
    kind, box = element.tag, None
    if kind == BOX:
        box = tuple(_number(element, name, where) for name in ("xtl", "ytl", "xbr", "ybr"))
        if degrees := _rotation(element, where):
            kind, box = "rotated box", rotated_box(box, degrees)
    elif kind == "polygon":
        box = points_box(_points(element, where))
    elif kind == "ellipse":
        centre_and_radii = (_number(element, name, where) for name in ("cx", "cy", "rx", "ry"))
        box = ellipse_box(*centre_and_radii, _rotation(element, where))
    elif kind == "mask":
        box = _mask_box(element, where)
    return Shape(label, kind, box, automatic=element.get("source") == _AUTOMATIC)


def _task(element: Element) -> Task:
    mode = (element.findtext("mode") or "").strip()
    return Task(
        video=(mode == "interpolation") if mode else None,
        frames=_whole(element.findtext("size")),
        start=_whole(element.findtext("start_frame")),
    )


def _whole(text: str | None) -> int:
    return int(text) if text and text.strip().isdecimal() else 0


def _mask_box(element: Element, where: str) -> Box | None:
    left, top, width, height = (int(_number(element, name, where)) for name in ("left", "top", "width", "height"))
    counts = [int(number(count, f"{where}: rle")) for count in element.get("rle", "").split(",")]
    if width <= 0 or height <= 0 or min(counts) < 0 or sum(counts) != width * height:
        raise DatasetError(
            f"{where}: rle covers {sum(counts)} pixels; expected {width}x{height}. Draw the mask again or remove it."
        )
    box = run_length_box(counts, minor=width)
    return None if box is None else (left + box[0], top + box[1], left + box[2], top + box[3])


def _points(element: Element, where: str) -> list[tuple[float, float]]:
    points = []
    for pair in element.get("points", "").split(";"):
        x, _, y = pair.partition(",")
        points.append((number(x, f"{where}: x of points"), number(y, f"{where}: y of points")))
    return points


def _rotation(element: Element, where: str) -> float:
    return _number(element, "rotation", where) if element.get("rotation") else 0.0


def _number(element: Element, name: str, where: str) -> float:
    return number(element.get(name), f"{where}: {name}")
