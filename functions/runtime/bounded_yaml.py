"""YAML of strangers: bounded in size, depth and in what its aliases stand for, before any of it is built.

Nine lines of ten aliases each stand for a milliard of values, and whoever walks through them never ends.
"""

from pathlib import Path
from typing import Any

import yaml

# Characters; the names of 20,000 classes are half as many.
MAX_LENGTH = 1 << 20
MAX_DEPTH = 50
# Values, each alias counted as all that it stands for; long texts count as several.
MAX_VALUES = 200_000
_LONG_TEXT = 64
_LONGEST_NUMBER = 100
_Base: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
_Safe: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
# What PyYAML raises for text that is no YAML, or whose tags do not fit: `!!int ""`, `!!bool x`, `!!timestamp x`.
_ERRORS = (yaml.YAMLError, ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError)


class _Loader(_Safe):  # type: ignore[misc]
    """Plain data only, and no numbers of a million digits, whose conversion takes for ever."""


def _bounded(construct: Any) -> Any:
    def bounded(loader: Any, node: Any) -> Any:
        if len(node.value) > _LONGEST_NUMBER:
            raise ValueError(f"a number of {len(node.value)} characters")
        return construct(loader, node)

    return bounded


for _tag, _construct in (("int", _Safe.construct_yaml_int), ("float", _Safe.construct_yaml_float)):
    _Loader.add_constructor(f"tag:yaml.org,2002:{_tag}", _bounded(_construct))


def read(path: Path) -> Any:
    """Return the value of a YAML file in UTF-8.

    Raises:
        OSError: It cannot be read.
        ValueError: As in `load`.
    """
    with path.open("rb") as file:
        return load(file.read(4 * MAX_LENGTH + 1).decode("utf-8"))


def load(text: str, *, scalars_as_text: bool = False) -> Any:
    """Return the value of a YAML document.

    Args:
        text: The document.
        scalars_as_text: Leave every scalar as it is written: `yes` is "yes" and `007` is "007".

    Raises:
        ValueError: It is no YAML, or larger than the bounds above; the message is one line.
    """
    check(text)
    try:
        return yaml.load(text, Loader=_Base if scalars_as_text else _Loader)
    except _ERRORS as error:
        raise ValueError(_one_line(error)) from error


def check(text: str) -> None:
    """Refuse a YAML document that is larger than the bounds above, before anything of it is built.

    Raises:
        ValueError: As in `load`.
    """
    if len(text) > MAX_LENGTH:
        raise ValueError(f"{len(text)} characters of YAML; at most {MAX_LENGTH} are read")
    try:
        _count(text)
    except _ERRORS as error:
        raise ValueError(_one_line(error)) from error


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _count(text: str) -> None:
    """Count values and depth in the events of the parser, which builds nothing."""
    anchored: dict[str, int] = {}
    total = 0
    open_collections: list[tuple[str | None, int]] = []
    for event in yaml.parse(text, Loader=_Base):
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in anchored:
                raise ValueError(f"an alias of {event.anchor!r}, which is not complete before")
            total += anchored[event.anchor]
        elif isinstance(event, yaml.ScalarEvent):
            size = 1 + len(event.value) // _LONG_TEXT
            total += size
            if event.anchor:
                anchored[event.anchor] = size
        elif isinstance(event, yaml.CollectionStartEvent):
            open_collections.append((event.anchor, total))
            total += 1
            if len(open_collections) > MAX_DEPTH:
                raise ValueError(f"more than {MAX_DEPTH} values inside one another")
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = open_collections.pop()
            if anchor:
                anchored[anchor] = total - before
        if total > MAX_VALUES:
            raise ValueError(f"more than {MAX_VALUES} values, aliases counted as what they stand for")
