"""CVAT for images 1.1: `annotations.xml` with one `<image>` for each frame, files below `images/`.

The richest format for detection: rotation, masks and the source of each shape are all there. Tracks
were already turned into one shape for each frame on which they are not outside.

CVAT imports the file as "CVAT 1.1". It finds the frame of an `<image>` by its name, so a name must be the path that the
image has in the task.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from preannotate.formats import cvat_xml
from preannotate.formats.cvat_xml import FILE_NAME, CvatLabel, CvatTask
from preannotate.formats.file_tree import FileTree
from preannotate.formats.image_names import video_position
from preannotate.formats.images import ImageIndex
from preannotate.formats.parsing import declared_size
from preannotate.formats.records import NOT_UNDERSTOOD, DatasetError, Export, Frame, LeftOutEntries
from preannotate.formats.xml_file import xml_elements

# A fixed time: the same annotations give the same bytes.
_DUMPED = "2026-01-01 00:00:00.000000+00:00"
_COLOURS = ("#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7", "#999999")


def recognise(folder: Path | FileTree) -> bool:
    """Whether the folder has a file of CVAT's without tracks: `annotations.xml`, or of another name."""
    return any(True for _ in cvat_xml.annotation_files(FileTree.of(folder), tracks=False))


def read(folder: Path | FileTree, *, outlines: bool = False) -> Export:
    """Read all such files; each means the images beside it."""
    files = FileTree.of(folder)
    labels: dict[str, None] = {}
    label_types: list[Mapping[str, str]] = []
    frames: list[Frame] = []
    left_out = LeftOutEntries()
    paths = list(cvat_xml.annotation_files(files, tracks=False))
    for path in paths:
        part = cvat_xml.part_of(path, paths)
        images = files.images_for(path)
        try:
            for element in xml_elements(files.file(path)):
                if element.tag == "meta":
                    meta = cvat_xml.parse_meta(element)
                    labels.update(dict.fromkeys(meta.labels))
                    label_types.append(meta.label_types)
                elif element.tag == "image" and not element.get("name"):
                    left_out.add(NOT_UNDERSTOOD, f"{files.file(path).name}: image #{element.get('id')}")
                elif element.tag == "image":
                    frame = _parse_image(element, images, files.file(path).name, outlines)
                    labels.update(dict.fromkeys(s.label for s in frame.shapes if s.boxed and s.box and not s.problem))
                    frames.append(replace(frame, subset=frame.subset or part))
        except DatasetError as error:  # images before the damage are complete
            left_out.add_file(error)
    if left_out.damaged and not frames:
        raise left_out.damaged[0]
    notes = tuple(f"{error.place}: what comes after it is not used. Export again." for error in left_out.damaged)
    return Export(
        tuple(labels),
        tuple(frames),
        has_sources=True,
        label_types=cvat_xml.join_label_types(label_types),
        notes=notes,
        left_out=left_out.all(),
    )


def write(export: Export) -> dict[str, bytes]:
    """Return `annotations.xml` of one task.

    Args:
        export: Each frame has a declared size and boxes in pixels.

    Raises:
        DatasetError: A name holds characters that XML cannot hold.
    """
    meta = Element("meta")
    size = len(export.frames)
    task = cvat_xml.add_task(meta, CvatTask("1", "annotations", size))
    stop = str(max(size - 1, 0))
    for tag, text in (("overlap", "0"), ("start_frame", "0"), ("stop_frame", stop), ("frame_filter", "")):
        cvat_xml.add_text(task, tag, text)
    types = {name: export.label_types.get(name, "rectangle") for name in export.labels}
    labels = [CvatLabel(name, _COLOURS[i % len(_COLOURS)], kind) for i, (name, kind) in enumerate(types.items())]
    cvat_xml.add_labels(task, labels)
    return {FILE_NAME: b"".join(_document(meta, export.frames))}


def write_tasks(
    frames: Iterable[Frame], labels: Sequence[CvatLabel], tasks: Sequence[CvatTask], *, name: str
) -> Iterator[bytes]:
    """Yield `annotations.xml` of several tasks with the same labels, piece by piece, as CVAT exports a project.

    Each frame has its `task_id`, a declared size, and its number in the task; `tasks` are in the order of their frames.
    """
    meta = Element("meta")
    project = SubElement(meta, "project")
    cvat_xml.add_text(project, "name", name)
    cvat_xml.add_labels(project, labels)
    parent = SubElement(project, "tasks")
    for task in tasks:
        cvat_xml.add_task(parent, task)
    yield from _document(meta, frames)


def _parse_image(element: Element, images: ImageIndex, file_name: str, outlines: bool) -> Frame:
    name, subset, task_id = (element.get(key, "") for key in ("name", "subset", "task_id"))
    where = f"{file_name}: image {name!r} (#{element.get('id')})"
    shapes = tuple(
        cvat_xml.parse_shape(child, f"{where}, {child.tag} {index}", outlines=outlines)
        for index, child in enumerate(element, 1)
        if child.tag in cvat_xml.SHAPE_TAGS
    )
    found = images.find(f"{subset}/{name}" if subset else name, roots=("images", ""))
    return Frame(
        name=name,
        image=found.path,
        shapes=shapes,
        problem=found.problem,
        declared_size=declared_size(element.get("width"), element.get("height")),
        subset=subset,
        task_id=task_id,
        **video_position(name, task_id),
    )


def _document(meta: Element, frames: Iterable[Frame]) -> Iterator[bytes]:
    yield b"<?xml version='1.0' encoding='utf-8'?>\n<annotations>\n  <version>1.1</version>\n"
    cvat_xml.add_text(meta, "dumped", _DUMPED)
    yield _to_bytes(meta)
    for position, frame in enumerate(frames):
        yield _to_bytes(_image(frame, position if frame.frame is None else frame.frame))
    yield b"</annotations>\n"


def _image(frame: Frame, number_in_task: int) -> Element:
    if not cvat_xml.is_writable(frame.name):
        raise DatasetError(
            f"{frame.name!r}: a name with characters that XML cannot hold; expected readable ones. Rename the file."
        )
    if frame.declared_size is None:
        raise ValueError(f"{frame.name}: no declared size")
    width, height = frame.declared_size
    attributes = {"id": str(number_in_task), "name": frame.name, "width": str(width), "height": str(height)}
    element = Element("image", attributes | ({"task_id": frame.task_id} if frame.task_id else {}))
    for shape in frame.shapes:
        cvat_xml.add_shape(element, shape)
    return element


def _to_bytes(element: Element) -> bytes:
    ElementTree.indent(element, level=1)
    # Names of labels and images were checked; a task, a colour or a source may be called anything in CVAT.
    return f"  {cvat_xml.writable(ElementTree.tostring(element, encoding='unicode'))}\n".encode()
