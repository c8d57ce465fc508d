"""The user's files: the model, and the names of its classes.

An ONNX file may name other files for its weights. It is read as a copy in a folder of its own, so that it finds only
those that lay beside it and no other file of this machine.
"""

import json
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from builder.errors import BuildError
from builder.function_directory import file_digest
from preannotate.core.encodings import read_text

_EXPECTED = "a SavedModel folder, an OpenVINO IR (.xml with .bin) or an .onnx file"
# How exporters call the file with the weights of model.onnx.
_ONNX_WEIGHTS = ("{name}.data", "{name}_data", "{stem}.data", "{stem}.onnx_data")


@dataclass(frozen=True)
class Source:
    """A model file or folder.

    Attributes:
        path: As the user named it, for messages.
        kind: "saved_model", "ir" or "onnx".
        files: The model file and its weights; for a SavedModel its folder.
    """

    path: Path
    kind: str
    files: tuple[Path, ...]


def recognise(path: Path) -> Source:
    """Find out which kind of model a path is.

    Raises:
        BuildError: It is no model that can be imported.
    """
    if not path.exists():
        raise BuildError(f"{path}: no such file or folder; expected {_EXPECTED}.")
    if path.is_dir():
        return _in_folder(path)
    suffix = path.suffix.lower()
    if suffix in (".xml", ".bin"):
        return _ir(path, path.with_suffix(".xml"))
    if suffix == ".onnx":
        names = (pattern.format(name=path.name, stem=path.stem) for pattern in _ONNX_WEIGHTS)
        return Source(path, "onnx", (path, *(found for name in names if (found := path.with_name(name)).is_file())))
    if path.name == "saved_model.pb":
        return Source(path, "saved_model", (path.parent,))
    raise BuildError(f"{path}: no model that can be imported; expected {_EXPECTED}. Export the model again.")


def stage(source: Source, folder: Path) -> Path:
    """Copy an ONNX file or an IR into `folder`, and return the path to read. A SavedModel is not copied."""
    if source.kind == "saved_model":
        return source.files[0]
    for file in source.files:
        shutil.copyfile(file, folder / file.name)
    return folder / source.files[0].name


def content_hash(source: Source) -> str:
    """SHA-256 of the model file without its weights; of `saved_model.pb` for a SavedModel."""
    main = source.files[0] / "saved_model.pb" if source.kind == "saved_model" else source.files[0]
    return file_digest(main)


def _in_folder(path: Path) -> Source:
    for folder in (path, path / "saved_model"):  # as the Object Detection API exports it
        if (folder / "saved_model.pb").is_file():
            return Source(path, "saved_model", (folder,))
    models = sorted(file for file in path.iterdir() if file.suffix.lower() in (".xml", ".onnx") and file.is_file())
    if len(models) == 1:
        return recognise(models[0])
    found = ", ".join(file.name for file in models) or "none"
    raise BuildError(f"{path}: a folder with the models {found}; expected {_EXPECTED}. Name one file.")


def _ir(path: Path, xml: Path) -> Source:
    weights = xml.with_suffix(".bin")
    for file in (xml, weights):
        if not file.is_file():
            raise BuildError(f"{path}: no {file.name} beside it; expected both files of an OpenVINO IR.")
    return Source(path, "ir", (xml, weights))


_ITEM = re.compile(r"item\s*\{([^{}]*)\}")
_ID = re.compile(r"\bid\s*:\s*(\d+)")
# `display_name` is what people call it; `name` may be a code such as /m/01g317.
_NAMES = tuple(re.compile(rf"""\b{key}\s*:\s*(["'])(.*?)\1""") for key in ("display_name", "name"))
_MAX_BYTES = 1_000_000
_MAX_ID = 100_000


def read_class_names(path: Path) -> tuple[str, ...]:
    """The names, in the order of the class numbers.

    Args:
        path: A label map if it ends with `.pbtxt`, JSON if it begins with `[`, else one name a line; empty lines at
            the end do not count.

    Raises:
        BuildError: It cannot be read, or a name is missing or there twice.
    """
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise ValueError("more than a million bytes")
        text = read_text(path)
        names = _parse(path, text)
    except (OSError, ValueError) as error:
        raise BuildError(
            f"{path}: {error}; expected names of classes, one a line, or a JSON list, or a label map (.pbtxt)."
        ) from error
    _check(path, names)
    return names


def _parse(path: Path, text: str) -> tuple[str, ...]:
    if path.suffix.lower() == ".pbtxt":
        return _label_map(text)
    if text.lstrip().startswith("["):
        names = json.loads(text)
        if not all(isinstance(name, str) for name in names):
            raise ValueError("a JSON list with other things than texts")
        return tuple(names)
    return tuple(line.strip() for line in text.rstrip().splitlines())


def _label_map(text: str) -> tuple[str, ...]:
    names: dict[int, str] = {}
    for body in _ITEM.findall(re.sub(r"#.*", "", text)):
        number = _ID.search(body)
        name = next((found[2] for pattern in _NAMES if (found := pattern.search(body))), "")
        if number is None or int(number[1]) in names:
            raise ValueError("an item without an id of its own")
        if int(number[1]) > _MAX_ID:
            raise ValueError(f"an id of more than {_MAX_ID}")
        names[int(number[1])] = name
    # The COCO map leaves numbers out; the network has classes for them all the same.
    return tuple(names.get(number, f"unused {number}") for number in range(1, max(names, default=0) + 1))


def _check(path: Path, names: Sequence[str]) -> None:
    if not names:
        raise BuildError(f"{path}: no names; expected one for each class of the network.")
    for number, name in enumerate(names, start=1):
        if not name or "\0" in name or any("\ud800" <= letter <= "\udfff" for letter in name):
            raise BuildError(f"{path}: name {number} is {name!r}; expected whole Unicode letters. Correct it.")
        if name in names[: number - 1]:
            raise BuildError(f"{path}: {name!r} is there twice; expected each name once. CVAT refuses others.")
