"""Names of the classes from a file that people have: one a line, a JSON list, or a label map of the OD API."""

import json
import re
from collections.abc import Sequence
from pathlib import Path

from builder.errors import BuildError

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
        text = path.read_text(encoding="utf-8-sig")
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
