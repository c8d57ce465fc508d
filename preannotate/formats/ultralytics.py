"""Ultralytics YOLO: a YAML file with the names of the classes, and one text file of boxes for each image.

The file is called `data.yaml` or anything else. Texts lie below `labels/<subset>/` and images below `images/<subset>/`,
or in `<subset>/labels/` and `<subset>/images/`, or side by side. Made for detection; the lines of segmentation and
oriented boxes become boxes, of poses their boxes are used.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from preannotate.core.text import printable
from preannotate.formats.file_tree import FileTree
from preannotate.formats.parsing import label_name, read_yaml, whole_number
from preannotate.formats.records import DatasetError, Export
from preannotate.formats.yolo import find_names, folder_of_names, read_texts

_FILE_NAMES = ("data.yaml", "data.yml", "dataset.yaml", "dataset.yml")
_MOST_LABELS = 100_000
_MAX_BYTES = 1_000_000


def recognise(folder: Path | FileTree) -> bool:
    """Whether the folder has a YAML file with names, and texts or images."""
    files = FileTree.of(folder)
    return any(True for _ in _data_files(files)) and bool(files.images or files.with_suffix(".txt"))


def read(folder: Path | FileTree, *, outlines: bool = False) -> Export:
    """Read the images of all subsets, and text files whose image is missing."""
    files = FileTree.of(folder)
    names: dict[str, list[str]] = {}
    subsets: set[str] = set()
    pose = False
    without_names: list[DatasetError] = []
    for path, content in _data_files(files):
        try:
            labels = _labels(content, files.file(path))
        except DatasetError as error:
            without_names.append(error)
            continue
        names.setdefault(folder_of_names(path.rpartition("/")[0]), labels)
        subsets |= {str(key) for key in content} if isinstance(content, dict) else set()
        pose = pose or (isinstance(content, dict) and "kpt_shape" in content)
    found, notes = find_names(files, names)
    if not found:
        raise without_names[0]
    notes += tuple(map(str, without_names))
    export = read_texts(files, found, subsets, pose=pose, outlines=outlines)
    return replace(export, notes=(*export.notes, *notes))


def _data_files(files: FileTree) -> Iterator[tuple[str, Any]]:
    """Yield YAML files with names, the usual ones first; a damaged one counts if it has a usual name."""
    paths = files.with_suffix(".yaml", ".yml")
    for path in sorted(paths, key=lambda path: (PurePosixPath(path).name not in _FILE_NAMES, path.count("/"), path)):
        usual = PurePosixPath(path).name in _FILE_NAMES
        if not usual and files.file(path).stat().st_size > _MAX_BYTES:
            continue
        try:
            content = read_yaml(files.file(path))
        except DatasetError:
            if usual:
                raise
            continue
        if usual or (isinstance(content, dict) and isinstance(content.get("names"), list | dict)):
            yield path, content


def _labels(content: Any, path: Path) -> list[str]:
    """Return the labels by their number; "" for a number without a name. They stay what was written: `yes`, `007`."""
    names = content.get("names") if isinstance(content, dict) else None
    if isinstance(names, dict) and names:
        numbers = {number: name for key, name in names.items() if (number := whole_number(key)) is not None}
        if len(numbers) < len(names) or not 0 <= min(numbers, default=-1) <= max(numbers, default=0) < _MOST_LABELS:
            raise DatasetError(
                f"{path.name}: names has the keys {printable(str(list(names)))}; expected 0, 1, …. Export again."
            )
        names = [numbers.get(number, "") for number in range(max(numbers) + 1)]
    if not isinstance(names, list) or not names:
        raise DatasetError(
            f"{path.name}: names is {printable(repr(names))}; expected the names of the classes. Export again."
        )
    return [label_name(name) for name in names]
