"""CVAT for images 1.1: `annotations.xml` with one `<image>` for each frame, files below `images/`.

The richest format for detection: rotation, masks and the source of each shape are all there. Tracks
were already turned into one shape for each frame on which they are not outside.
"""

from collections import defaultdict
from pathlib import Path, PurePosixPath
from xml.etree.ElementTree import Element

from preannotate.formats.cvat_xml import FILE_NAME, SHAPE_KINDS, first_child, is_cvat_xml, parse_meta, parse_shape
from preannotate.formats.export import Export, Frame
from preannotate.formats.images import ImageIndex, video_frame
from preannotate.formats.parsing import number, xml_elements

SHARED_NAME = "name shared by several tasks of the export: not used"


def recognise(folder: Path) -> bool:
    """Whether the folder has CVAT's `annotations.xml`, without tracks."""
    return is_cvat_xml(folder) and first_child(folder, ("image", "track")) != "track"


def read(folder: Path) -> Export:
    """Read `annotations.xml`."""
    images = ImageIndex(folder)
    labels: dict[str, None] = {}
    frames: list[Frame] = []
    task_ids: list[str] = []
    for element in xml_elements(folder / FILE_NAME):
        if element.tag == "meta":
            labels.update(dict.fromkeys(parse_meta(element).labels))
        elif element.tag == "image":
            frame = _frame(element, images)
            labels.update(dict.fromkeys(shape.label for shape in frame.shapes if shape.box))
            frames.append(frame)
            task_ids.append(element.get("task_id", ""))
    return Export(tuple(labels), without_shared_files(frames, task_ids), tells_automatic=True)


def without_shared_files(frames: list[Frame], task_ids: list[str]) -> tuple[Frame, ...]:
    """Frames of two tasks that mean the same file become ambiguous.

    CVAT calls the frames of each video frame_000000 and so on: two video tasks in one subset overwrite
    each other's images in the archive.
    """
    owners: dict[Path, set[str]] = defaultdict(set)
    for frame, task_id in zip(frames, task_ids, strict=True):
        if frame.image:
            owners[frame.image].add(task_id)
    shared = {path for path, tasks in owners.items() if len(tasks) > 1}
    return tuple(
        Frame(frame.name, None, frame.shapes, ambiguous=SHARED_NAME) if frame.image in shared else frame
        for frame in frames
    )


def _frame(element: Element, images: ImageIndex) -> Frame:
    name = element.get("name", "")
    where = f"{FILE_NAME}: image {name!r} (#{element.get('id')})"
    size = tuple(int(number(element.get(side), f"{where}: {side}")) for side in ("width", "height"))
    subset = element.get("subset", "")
    shapes = tuple(
        parse_shape(child, f"{where}, {child.tag} {index}")
        for index, child in enumerate(element, 1)
        if child.tag in SHAPE_KINDS
    )
    number_in_video = video_frame(name)
    return Frame(
        name=name,
        image=images.find(name, roots=(f"images/{subset}",) if subset else ("images", "")),
        shapes=shapes,
        declared_size=size,
        subset=subset,
        sequence=None if number_in_video is None else f"{element.get('task_id', '')}/{PurePosixPath(name).parent}",
        frame=number_in_video,
    )
