"""CVAT for video 1.1: `annotations.xml` with one `<track>` for each object.

Each track lists its shape on every frame, interpolated ones included (`keyframe="0"`); `outside="1"` means
that the object is not visible. Loose shapes are tracks of one frame.

The format numbers frames and does not name their images. Numbers are absolute: start + position x step, where the task
takes every `step`-th frame of its source. Video frames are called by that number. For a task of ordinary images only
the order is known: see `_by_order`. A number that fits no frame of the task is left out.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from xml.etree.ElementTree import Element

from preannotate.formats import cvat_xml
from preannotate.formats.cvat_xml import CvatMeta, CvatTask
from preannotate.formats.file_tree import FileTree
from preannotate.formats.image_names import video_frame, video_position
from preannotate.formats.images import ImageIndex
from preannotate.formats.parsing import whole_number
from preannotate.formats.records import (
    AUTOMATIC,
    UNKNOWN_FRAME,
    DatasetError,
    Export,
    Frame,
    LeftOutEntries,
    Shape,
)
from preannotate.formats.xml_file import xml_elements

_ORDER_NOTE = (
    "the video format does not name the images of a task of single images, so they were matched in the "
    "order of their names; export such a task as 'CVAT for images 1.1' to be sure."
)
UNPLACED = "without shapes, but shapes of the task fit no frame: not used"
UNNAMED = "image that the video format does not name: not used"
_IMAGES = "images"
_TaskKey = tuple[str, str]  # task id, subset
_Shapes = dict[int, list[Shape]]  # by absolute frame number


def recognise(folder: Path | FileTree) -> bool:
    """Whether the folder has a file of CVAT's with tracks: `annotations.xml`, or of another name."""
    return any(True for _ in cvat_xml.annotation_files(FileTree.of(folder), tracks=True))


def read(folder: Path | FileTree, *, outlines: bool = False) -> Export:
    """Read all such files; each means the images beside it."""
    files = FileTree.of(folder)
    paths = list(cvat_xml.annotation_files(files, tracks=True))
    exports: list[Export] = []
    left_out = LeftOutEntries()
    for path in paths:
        try:
            part = cvat_xml.part_of(path, paths)
            exports.append(_read_file(files.file(path), files.images_for(path), part, outlines))
        except DatasetError as error:  # tracks behind the damage are on any frame: none of the file can be used
            left_out.add_file(error)
    if left_out.damaged and not exports:
        raise left_out.damaged[0]
    return Export(
        tuple(dict.fromkeys(label for export in exports for label in export.labels)),
        tuple(frame for export in exports for frame in export.frames),
        has_sources=True,
        label_types=cvat_xml.join_label_types(export.label_types for export in exports),
        notes=tuple(dict.fromkeys(note for export in exports for note in export.notes)),
        left_out=(*(entry for export in exports for entry in export.left_out), *left_out.all()),
    )


def _read_file(path: Path, images: ImageIndex, part: str, outlines: bool) -> Export:
    meta = CvatMeta()
    labels: dict[str, None] = {}
    tasks: dict[_TaskKey, _Shapes] = {}
    left_out = LeftOutEntries()
    misfits: set[_TaskKey] = set()
    for element in xml_elements(path):
        if element.tag == "meta":
            meta = cvat_xml.parse_meta(element)
            labels.update(dict.fromkeys(meta.labels))
        elif element.tag == "track":
            key = element.get("task_id", ""), element.get("subset", "")
            found = tasks.setdefault(key, defaultdict(list))
            for frame, shape in _track(element, path.name, outlines):
                if frame is None or meta.task(key[0]).position(frame) is None:
                    left_out.add(UNKNOWN_FRAME, shape.where)
                    misfits.add(key)
                    continue
                found[frame].append(shape)
                if shape.boxed and shape.box and not shape.problem:
                    labels.setdefault(shape.label)
    frames: list[Frame] = []
    notes: list[str] = []
    for key, shapes in sorted(tasks.items() or [(("", ""), {})]):
        paths = _paths(images, meta, key[1])
        if _is_named_by_number(meta.task(key[0]), paths, one_task=len(tasks) <= 1):
            frames += _video_frames(key, images, shapes, paths if len(tasks) <= 1 else {})
        else:
            frames += _by_order(key, meta.task(key[0]), shapes, paths, certain=key not in misfits)
            notes = [_ORDER_NOTE]
    frames = [
        replace(f, problem=UNPLACED) if (f.task_id, f.subset) in misfits and not f.shapes and not f.problem else f
        for f in frames
    ]  # what fits no frame may belong to any, which is then not empty
    if part:  # equal numbers of tasks in two files are two tasks
        frames = [
            replace(f, subset=f.subset or part, sequence=None if f.sequence is None else f"{part}/{f.sequence}")
            for f in frames
        ]
    return Export(
        tuple(labels),
        tuple(frames),
        label_types=meta.label_types,
        notes=tuple(notes),
        left_out=left_out.all(),
    )


def _track(element: Element, file_name: str, outlines: bool) -> Iterator[tuple[int | None, Shape]]:
    """Yield the visible shapes of a track, each with its absolute frame number, or None if it has none."""
    label = element.get("label", "")
    for child in element:
        if child.tag not in cvat_xml.SHAPE_TAGS or child.get("outside") == "1":
            continue
        where = f"{file_name}: track {element.get('id')}, frame {child.get('frame')}, {child.tag}"
        shape = cvat_xml.parse_shape(child, where, default_label=label, outlines=outlines)
        if element.get("source") == AUTOMATIC:
            shape = replace(shape, source=AUTOMATIC)
        yield whole_number(child.get("frame")), shape


def _paths(images: ImageIndex, meta: CvatMeta, subset: str) -> dict[str, Path]:
    """Return the images that belong to a task, path to file; none if tasks share the folder of their subset."""
    tasks = [task for task_id, task in meta.tasks.items() if task_id]
    if len(tasks) <= 1:
        return images.paths
    if sum(task.subset == subset for task in tasks) != 1:
        return {}
    return {name: path for name, path in images.paths.items() if name.startswith(f"{_IMAGES}/{subset}/")}


def _is_named_by_number(task: CvatTask, paths: Mapping[str, Path], *, one_task: bool) -> bool:
    if task.video is not None:
        return task.video
    return not one_task or all(video_frame(path) is not None for path in paths)


def _video_frames(key: _TaskKey, images: ImageIndex, shapes: _Shapes, paths: Iterable[str]) -> Iterator[Frame]:
    """Yield the frames with shapes, and those of `paths`: a frame without shapes is only known by its file."""
    numbers = {number for path in paths if (number := video_frame(path)) is not None}
    for number in sorted(shapes.keys() | numbers):
        yield _video_frame((*key, number), images, shapes.get(number, []))


def _video_frame(key: tuple[str, str, int], images: ImageIndex, shapes: Sequence[Shape]) -> Frame:
    task_id, subset, number = key
    name = f"frame_{number:06d}"
    found = images.find(f"{subset}/{name}" if subset else name, roots=(_IMAGES, ""))
    return Frame(
        found.path.name if found.path else name,
        found.path,
        tuple(shapes),
        subset=subset,
        task_id=task_id,
        sequence=f"{task_id}/.",
        frame=number,
        problem=found.problem,
    )


def _by_order(
    key: _TaskKey, task: CvatTask, shapes: _Shapes, paths: Mapping[str, Path], *, certain: bool
) -> Iterator[Frame]:
    """Yield the frames of a task of ordinary images: the n-th image is frame n, if every order agrees.

    CVAT sorts uploads by code point, by natural order, or as the user chose. Frames on which these
    do not agree, and all frames if images are missing, are not used: a box on the wrong image
    is worse than none.

    Args:
        key: Id and subset of the task.
        task: What `<meta>` says of it.
        shapes: Its shapes.
        paths: Its images.
        certain: Every frame number of the file fits the task. Otherwise the task must have said all about its numbers.
    """
    task_id, subset = key
    names = [path.removeprefix(f"{_IMAGES}/").removeprefix(f"{subset}/") for path in paths]
    file_of = dict(zip(names, paths.values(), strict=True))
    orders = [sorted(names), *(sorted(names, key=key) for key in (_natural, _plain, str.casefold))]
    step = task.step or 1
    last = max(shapes, default=task.start)
    complete = task.step is not None and task.length in (None, len(names)) and last < task.start + step * len(names)
    complete = complete and (certain or task.is_proven)
    seen = set()
    for position, candidates in enumerate(zip(*orders, strict=True)):
        number = task.start + position * step
        seen.add(number)
        known = complete and len(set(candidates)) == 1
        name = candidates[0]
        yield Frame(
            name=name if known else f"frame {number}",
            image=file_of[name],
            shapes=tuple(shapes.get(number, ())),
            subset=subset,
            task_id=task_id,
            problem="" if known else UNNAMED,
            **video_position(name, task_id),
        )
    for number in sorted(shapes.keys() - seen):
        yield Frame(f"frame {number}", None, tuple(shapes[number]), subset=subset, task_id=task_id, problem=UNNAMED)


def _natural(name: str) -> list[tuple[bool, int, str]]:
    parts = re.split(r"(\d{1,300})", name)
    return [(part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in parts]


def _plain(name: str) -> str:
    """Return the name as a dictionary sorts it: without case and accents."""
    decomposed = unicodedata.normalize("NFD", str(PurePosixPath(name)).casefold())
    return "".join(character for character in decomposed if not unicodedata.combining(character))
