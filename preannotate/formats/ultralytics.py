"""Ultralytics YOLO: `data.yaml`, images below `images/<subset>/`, text files below `labels/<subset>/`.

Also the layout of many published sets: `<subset>/images/` and `<subset>/labels/`. Made for detection; the
lines of segmentation and oriented boxes become boxes. A text file belongs to the
image whose path has `images` where it has `labels`.
"""

from pathlib import Path, PurePosixPath
from typing import Any

from preannotate.formats.images import ImageIndex, video_position, without_extension
from preannotate.formats.parsing import read_yaml
from preannotate.formats.records import DatasetError, Export, Frame, Shape
from preannotate.formats.yolo import parse_labels

_FILE_NAMES = ("data.yaml", "data.yml", "dataset.yaml", "dataset.yml")
_IMAGES, _LABELS = "images", "labels"
_SUBSETS = ("train", "val", "valid", "validation", "test")


def recognise(folder: Path) -> bool:
    """Whether the folder has `data.yaml` and a folder of labels or images."""
    if _data_file(folder) is None:
        return False
    return any((folder / name).is_dir() for name in (_IMAGES, _LABELS)) or any(folder.glob(f"*/{_LABELS}"))


def read(folder: Path) -> Export:
    """Read the images of all subsets, and text files whose image is missing."""
    data_file = _data_file(folder)
    if data_file is None:
        raise DatasetError(f"{folder.name}: no {_FILE_NAMES[0]}; expected Ultralytics' data file. Export again.")
    content = read_yaml(data_file)
    labels = _labels(content, data_file)
    images = ImageIndex(folder)
    texts = {_key(path.relative_to(folder).as_posix()): path for path in sorted(folder.rglob("*.txt"))}
    texts = {key: path for key, path in texts.items() if _LABELS in path.relative_to(folder).parts}
    pose = isinstance(content, dict) and "kpt_shape" in content
    subsets = {*_SUBSETS, *(content if isinstance(content, dict) else ())}
    frames = []
    for relative, image in images.paths.items():
        text_path = texts.pop(_key(relative), None)
        frames.append(_frame(relative, image, text_path, folder, labels, subsets, pose))
    for text_path in texts.values():
        relative = text_path.relative_to(folder).with_suffix("").as_posix()
        frames.append(_frame(relative, None, text_path, folder, labels, subsets, pose))
    return Export(tuple(labels), tuple(frames))


def _data_file(folder: Path) -> Path | None:
    return next((folder / name for name in _FILE_NAMES if (folder / name).is_file()), None)


def _labels(content: Any, path: Path) -> list[str]:
    names = content.get("names") if isinstance(content, dict) else None
    if isinstance(names, dict):
        ids = sorted(names, key=lambda key: int(key) if str(key).isdecimal() else -1)
        if [str(key) for key in ids] != [str(index) for index in range(len(ids))]:
            raise DatasetError(f"{path.name}: names has the keys {list(names)}; expected 0, 1, …. Export again.")
        names = [names[key] for key in ids]
    if not isinstance(names, list) or not names:
        raise DatasetError(f"{path.name}: names is {names!r}; expected the names of the classes. Export again.")
    return [str(name).strip() for name in names]


def _key(relative: str) -> tuple[str, ...]:
    """Return the path without extension, with the last `images` or `labels` folder left empty."""
    parts = list(PurePosixPath(relative).parts)
    for index in reversed(range(len(parts) - 1)):
        if parts[index] in (_IMAGES, _LABELS):
            parts[index] = ""
            break
    last = parts[-1].removesuffix(".txt") if parts[-1].endswith(".txt") else without_extension(parts[-1])
    return (*parts[:-1], last)


def _frame(
    relative: str,
    image: Path | None,
    text_path: Path | None,
    folder: Path,
    labels: list[str],
    subsets: set[str],
    pose: bool,
) -> Frame:
    parts = list(PurePosixPath(relative).parts)
    subset = ""
    while len(parts) > 1 and (parts[0] in (_IMAGES, _LABELS) or (not subset and parts[0] in subsets)):
        subset = parts[0] if parts[0] not in (_IMAGES, _LABELS) else subset
        parts.pop(0)
    name = "/".join(parts)
    shapes: tuple[Shape, ...] = ()
    if text_path is not None:
        shapes = parse_labels(text_path, folder, labels)
        if pose:
            shapes = tuple(Shape(shape.label, "skeleton", None) for shape in shapes)
    return Frame(name, image, shapes, relative=True, subset=subset, **video_position(name, subset))
