"""Names of the classes of a network: from a file of the user, or from what the exporter wrote into the model.

All of these end as names in the order of the class numbers.
"""

import ast
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from builder.errors import BuildError
from builder.imports.source import Source
from preannotate.core.encodings import read_text
from preannotate.core.text import printable, split_list
from preannotate.formats.parsing import read_yaml
from preannotate.formats.records import DatasetError

_EXPECTED = "names of classes: one a line, JSON, YAML (data.yaml, metadata.yaml) or a label map (.pbtxt)"
_YAML = (".yaml", ".yml")
# Beside a network: as Ultralytics writes it.
METADATA_FILE = "metadata.yaml"
# Keys of files that hold more than names: Ultralytics, COCO, Hugging Face, Roboflow.
_KEYS = ("names", "categories", "id2label", "classes", "class_names", "labels")
_MAX_BYTES = 1_000_000
_MAX_ID = 100_000
_MAX_NAME_LENGTH = 256
_NUMBERED = re.compile(r"(\d{1,6})\s*[:=,;\t]\s*(\S.*)")
_NUMBERED_WITH_BLANK = re.compile(r"(\d{1,6})\s+(\S.*)")
_ITEM = re.compile(r"item\s*\{([^{}]*)\}")
_ID = re.compile(r"\bid\s*:\s*(\d+)")
# `display_name` is what people call it; `name` may be a code such as /m/01g317.
_NAMES = tuple(re.compile(rf"""\b{key}\s*:\s*(["'])(.*?)\1""") for key in ("display_name", "name"))


def read_class_names(path: Path) -> tuple[str, ...]:
    """Return the names in a file, in the order of the class numbers.

    It may have one name a line, with or without numbers (`0: bolt`), all in one line with commas between them, JSON (a
    list, numbers to names, or COCO), YAML with `names`, or a label map of the Object Detection API.

    Raises:
        BuildError: It cannot be read, or a name is missing or there twice.
    """
    try:
        names = _parse(path, read_text(path, max_bytes=_MAX_BYTES))
    except (OSError, ValueError, DatasetError) as error:
        cause = str(error).partition("; expected")[0].removeprefix(f"{path.name}: ")
        raise BuildError(f"{path}: {printable(cause, 200)}; expected {_EXPECTED}.") from error
    _check(str(path), names)
    return names


def names_beside(source: Source) -> tuple[str, ...]:
    """Return the names in `metadata.yaml` in the folder of a model; () if there is none."""
    folder = source.files[0] if source.kind == "saved_model" else source.files[0].parent
    file = folder / METADATA_FILE
    return read_class_names(file) if source.kind != "onnx" and file.is_file() else ()


def names_inside(metadata: Mapping[str, str], where: Path) -> tuple[str, ...]:
    """Return the names in a model's own metadata; () if there are none.

    Raises:
        BuildError: What is there are no names.
    """
    text = metadata.get("names") or metadata.get("class_names") or ""
    if not text:
        return tuple(word.replace("_", " ") for word in metadata.get("labels", "").split())
    try:
        names = _of_value(_literal(text))
    except ValueError as error:
        raise BuildError(
            f"{where}: its metadata has no usable names ({error}); expected one for each class. Give --labels."
        ) from error
    _check(str(where), names)
    return names


def _parse(path: Path, text: str) -> tuple[str, ...]:
    suffix = path.suffix.lower()
    if suffix == ".pbtxt" or re.match(r"\s*item\s*\{", text):
        return _label_map(text)
    if suffix in _YAML:
        return _of_value(read_yaml(path))
    if text.lstrip().startswith("["):
        return _of_value(_json(text))
    if text.lstrip().startswith("{"):
        return _of_value(_literal(text))
    return _of_lines(text.rstrip())


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("JSON that is nested too deeply") from error


def _literal(text: str) -> Any:
    """JSON, or what Ultralytics writes: a dictionary as Python shows it. Only plain values, and nothing is run."""
    try:
        return _json(text)
    except ValueError as error:
        if len(text) > _MAX_BYTES or not re.match(r"\s*[{\[]\s*(\d|['\"\]}])", text):
            raise
        try:
            return ast.literal_eval(text.strip())
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            raise ValueError(f"neither JSON nor names: {error}") from error


def _of_value(value: Any) -> tuple[str, ...]:
    if isinstance(value, dict):
        key = next((key for key in _KEYS if value.get(key)), None)
        if key is not None:
            return _of_value(value[key])
        return _numbered({str(number): name for number, name in value.items()})
    if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):  # COCO
        return _of_categories(value)
    if not isinstance(value, list) or not all(_is_name(item) for item in value):
        raise ValueError("a list with other things than texts" if isinstance(value, list) else "no names")
    return tuple(str(item).strip() for item in value)


def _is_name(value: Any) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool)


def _of_categories(categories: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    if not all(_is_name(item.get("name")) and isinstance(item.get("id"), int) for item in categories):
        raise ValueError("a category without an id or a name")
    return tuple(str(item["name"]).strip() for item in sorted(categories, key=lambda item: item["id"]))


def _numbered(names: Mapping[str, Any]) -> tuple[str, ...]:
    """Names by their numbers, which begin with 0 or 1 and leave none out."""
    if not names or not all(number.isascii() and number.isdecimal() and len(number) < 7 for number in names):
        raise ValueError("no names")
    if not all(_is_name(name) for name in names.values()):
        raise ValueError("a name that is no text")
    by_number = {int(number): str(name).strip() for number, name in names.items()}
    first = min(by_number)
    if len(by_number) < len(names) or first > 1 or max(by_number) != first + len(names) - 1:
        raise ValueError("numbers of names that leave some out; expected 0, 1, …")
    return tuple(by_number[number] for number in sorted(by_number))


def _of_lines(text: str) -> tuple[str, ...]:
    lines = [line.strip() for line in text.split("\n")]
    filled = [line for line in lines if line]
    if filled and re.fullmatch(r"names\s*:.*", filled[0]):
        raise ValueError("YAML; expected its file name to end with .yaml")
    for pattern in (_NUMBERED, _NUMBERED_WITH_BLANK):
        found = [pattern.fullmatch(line) for line in filled]
        numbers = [int(match[1]) for match in found if match]
        first = 0 if pattern is _NUMBERED_WITH_BLANK else min(numbers, default=0)
        if filled and sorted(numbers) == list(range(first, first + len(filled))) and first in (0, 1):
            return _numbered({str(int(match[1])): _unquoted(match[2]) for match in found if match})
    if len(filled) == 1 and "," in filled[0]:
        return tuple(split_list(filled[0]))
    return tuple(lines) if filled else ()


def _unquoted(text: str) -> str:
    name = text.strip().removesuffix(",").strip()
    return name[1:-1] if len(name) > 1 and name[0] == name[-1] and name[0] in "\"'" else name


def _label_map(text: str) -> tuple[str, ...]:
    names: dict[int, str] = {}
    for body in _ITEM.findall(re.sub(r"#.*", "", text)):
        number = _ID.search(body)
        name = next((found[2] for pattern in _NAMES if (found := pattern.search(body))), "")
        if number is None or len(number[1]) > 9 or int(number[1]) in names:
            raise ValueError("an item without an id of its own")
        if int(number[1]) > _MAX_ID:
            raise ValueError(f"an id of more than {_MAX_ID}")
        names[int(number[1])] = name
    # The COCO map leaves numbers out; the network has classes for them all the same.
    return tuple(names.get(number, f"unused {number}") for number in range(1, max(names, default=0) + 1))


def _check(where: str, names: Sequence[str]) -> None:
    if not names:
        raise BuildError(f"{where}: no names; expected one for each class of the network.")
    known: set[str] = set()
    for number, name in enumerate(names, start=1):
        if not name or len(name) > _MAX_NAME_LENGTH or not _is_text(name):
            shown = printable(repr(name), 60)
            raise BuildError(
                f"{where}: name {number} is {shown}; expected 1 to {_MAX_NAME_LENGTH} characters, and no control "
                f"characters. Correct it."
            )
        if name in known:
            raise BuildError(
                f"{where}: {printable(name, 60)!r} is there twice; expected each name once. CVAT refuses others."
            )
        known.add(name)


def _is_text(name: str) -> bool:
    return not any(letter < " " or letter == "\x7f" or "\ud800" <= letter <= "\udfff" for letter in name)
