"""CVAT for video 1.1: `annotations.xml` with one `<track>` for each object.

Each track lists its shape on every frame, interpolated ones included (`keyframe="0"`); `outside="1"` means
that the object is not visible. Loose shapes are tracks of one frame.

The format numbers frames and does not name their images. Video frames are called by their number. For a
task of ordinary images only the order is known: see `_by_order`.
"""

import re
import unicodedata
from collections import defaultdict
from dataclasses import replace
from pathlib import Path, PurePosixPath
from xml.etree.ElementTree import Element

from preannotate.formats import cvat_xml
from preannotate.formats.cvat_xml import CvatMeta
from preannotate.formats.file_tree import FileTree
from preannotate.formats.images import ImageIndex, video_frame, video_position
from preannotate.formats.parsing import number, xml_elements
from preannotate.formats.records import AUTOMATIC, Export, Frame, Shape

UNNAMED = "image that the video format does not name: not used"
_IMAGES = "images"
_FrameKey = tuple[str, str, int]  # task id, subset, frame number


def recognise(folder: Path | FileTree) -> bool:
    """Whether the folder has a file of CVAT's with tracks: `annotations.xml`, or of another name."""
    return any(True for _ in cvat_xml.annotation_files(FileTree.of(folder), tracks=True))


def read(folder: Path | FileTree) -> Export:
    """Read all such files; each means the images beside it."""
    files = FileTree.of(folder)
    paths = list(cvat_xml.annotation_files(files, tracks=True))
    exports = [_read_file(files.file(path), files.images_for(path), cvat_xml.part_of(path, paths)) for path in paths]
    return Export(
        tuple(dict.fromkeys(label for export in exports for label in export.labels)),
        tuple(frame for export in exports for frame in export.frames),
        has_sources=True,
        notes=tuple(dict.fromkeys(note for export in exports for note in export.notes)),
    )


def _read_file(path: Path, images: ImageIndex, part: str) -> Export:
    meta = CvatMeta()
    labels: dict[str, None] = {}
    shapes: dict[_FrameKey, list[Shape]] = defaultdict(list)
    for element in xml_elements(path):
        if element.tag == "meta":
            meta = cvat_xml.parse_meta(element)
            labels.update(dict.fromkeys(meta.labels))
        elif element.tag == "track":
            for key, shape in _track(element, path.name):
                shapes[key].append(shape)
                if shape.box:
                    labels.setdefault(shape.label)
    frames, notes = _frames(images, meta, shapes)
    if part:  # equal numbers of tasks in two files are two tasks
        frames = [
            replace(f, subset=f.subset or part, sequence=None if f.sequence is None else f"{part}/{f.sequence}")
            for f in frames
        ]
    return Export(tuple(labels), tuple(frames), notes=notes)


def _track(element: Element, file_name: str) -> list[tuple[_FrameKey, Shape]]:
    label, task_id, subset = (element.get(name, "") for name in ("label", "task_id", "subset"))
    found = []
    for child in element:
        if child.tag not in cvat_xml.SHAPE_TAGS or child.get("outside") == "1":
            continue
        where = f"{file_name}: track {element.get('id')}, frame {child.get('frame')}, {child.tag}"
        frame = int(number(child.get("frame"), f"{where}: frame"))
        shape = cvat_xml.parse_shape(child, where, default_label=label)
        if element.get("source") == AUTOMATIC:
            shape = replace(shape, source=AUTOMATIC)
        found.append(((task_id, subset, frame), shape))
    return found


def _frames(
    images: ImageIndex, meta: CvatMeta, shapes: dict[_FrameKey, list[Shape]]
) -> tuple[list[Frame], tuple[str, ...]]:
    numbers = [video_frame(path) for path in images.paths]
    one_task = len({task_id for task_id, _, _ in shapes}) <= 1
    task_id, subset, _ = next(iter(shapes), ("", "", 0))
    video = meta.task(task_id).video
    if one_task and (video is False or (video is None and None in numbers)):
        return _by_order(images, meta, shapes)
    keys = set(shapes)
    if one_task:  # frames without shapes are only known by their files
        keys |= {(task_id, subset, number) for number in numbers if number is not None}
    return [_video_frame(key, images, meta, shapes) for key in sorted(keys)], ()


def _video_frame(key: _FrameKey, images: ImageIndex, meta: CvatMeta, shapes: dict[_FrameKey, list[Shape]]) -> Frame:
    task_id, subset, number_in_video = key
    name = f"frame_{number_in_video:06d}"
    found = images.find(f"{subset}/{name}" if subset else name, roots=(_IMAGES, ""))
    return Frame(
        found.path.name if found.path else name,
        found.path,
        tuple(shapes.get(key, ())),
        subset=subset,
        task_id=task_id,
        sequence=f"{task_id}/.",
        frame=number_in_video,
        ambiguous=UNNAMED if meta.task(task_id).video is False else found.problem,
    )


def _by_order(
    images: ImageIndex, meta: CvatMeta, shapes: dict[_FrameKey, list[Shape]]
) -> tuple[list[Frame], tuple[str, ...]]:
    """Return the frames of a task of ordinary images: the n-th image is frame n, if every order agrees.

    CVAT sorts uploads by code point, by natural order, or as the user chose. Frames on which these
    do not agree, and all frames if images are missing, are not used: a box on the wrong image
    is worse than none.
    """
    task_id, subset = next(iter(shapes), ("", "", 0))[:2]
    task = meta.task(task_id)
    names = [path.removeprefix(f"{_IMAGES}/").removeprefix(f"{subset}/") for path in images.paths]
    file_of = dict(zip(names, images.paths.values(), strict=True))
    orders = [sorted(names), *(sorted(names, key=key) for key in (_natural, _plain, str.casefold))]
    last = max((frame for _, _, frame in shapes), default=task.start)
    complete = task.size in (None, 0, len(names)) and last < task.start + len(names)
    frames = []
    for position, candidates in enumerate(zip(*orders, strict=True)):
        key = (task_id, subset, task.start + position)
        known = complete and len(set(candidates)) == 1
        name = candidates[0]
        frames.append(
            Frame(
                name=name if known else f"frame {key[2]}",
                image=file_of[name],
                shapes=tuple(shapes.get(key, ())),
                subset=subset,
                task_id=task_id,
                ambiguous="" if known else UNNAMED,
                **video_position(name, task_id),
            )
        )
    note = (
        "the video format does not name the images of a task of single images, so they were matched in the "
        "order of their names; export such a task as 'CVAT for images 1.1' to be sure."
    )
    return frames, (note,)


def _natural(name: str) -> list[tuple[bool, int, str]]:
    return [(part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in re.split(r"(\d+)", name)]


def _plain(name: str) -> str:
    """Return the name as a dictionary sorts it: without case and accents."""
    decomposed = unicodedata.normalize("NFD", str(PurePosixPath(name)).casefold())
    return "".join(character for character in decomposed if not unicodedata.combining(character))
