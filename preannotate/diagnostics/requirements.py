"""The versions that this project asks for, from its own metadata.

Only the clauses that the project uses are understood: `>=`, `<` and the like on plain numbers, joined by commas. A test
holds pyproject.toml to that.
"""

import importlib.metadata
import operator
import re
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

DISTRIBUTION = "preannotate"
_COMPARE: dict[str, Callable[[tuple[int, ...], tuple[int, ...]], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    ">": operator.gt,
    "<": operator.lt,
}
_CLAUSE = re.compile(r"\s*(>=|<=|==|>|<)\s*(\d+(?:\.\d+)*)\s*")
_LINE = re.compile(
    r"([A-Za-z0-9._-]+)\s*(?:\[[^]]*\])?\s*\(?([^;()]*)\)?\s*(?:;\s*extra\s*==\s*['\"]([^'\"]+)['\"])?\s*"
)


@dataclass(frozen=True)
class Requirement:
    """A package that something needs.

    Attributes:
        package: Its name on PyPI.
        versions: As in ">=2.1,<3".
        extra: Of this project; "" if everything needs it.
    """

    package: str
    versions: str
    extra: str


@dataclass(frozen=True)
class Declared:
    """What this project asks for: versions of Python, and packages."""

    python: str
    packages: tuple[Requirement, ...]


def declared() -> Declared | None:
    """What pyproject.toml says, or what was installed; None if there is neither."""
    project = Path(__file__).parents[2] / "pyproject.toml"
    if project.is_file():
        content = tomllib.loads(project.read_text(encoding="utf-8"))["project"]
        lines = [(line, "") for line in content["dependencies"]]
        lines += [(line, extra) for extra, some in content["optional-dependencies"].items() for line in some]
        return Declared(content["requires-python"], tuple(_parse(line, extra) for line, extra in lines))
    try:
        metadata = importlib.metadata.metadata(DISTRIBUTION)
    except importlib.metadata.PackageNotFoundError:
        return None
    installed_lines = metadata.get_all("Requires-Dist") or []
    return Declared(metadata["Requires-Python"] or "", tuple(_parse(line, "") for line in installed_lines))


def installed(package: str) -> str | None:
    """Version of an installed package; None without it."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def allows(versions: str, version: str) -> bool:
    """Whether `version` is one of `versions` (">=2.1,<3"); what follows its numbers, as in 2.1rc1, does not count."""
    return all(_COMPARE[sign](*_same_length(release(version), bound)) for sign, bound in clauses(versions))


def clauses(versions: str) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Each comparison of ">=2.1,<3"; what is no comparison of numbers is left out."""
    for text in versions.split(","):
        if found := _CLAUSE.fullmatch(text):
            yield found[1], release(found[2])


def release(version: str) -> tuple[int, ...]:
    """The numbers that a version begins with: (2, 1) of 2.1rc1."""
    found = re.match(r"v?(\d+(?:\.\d+)*)", version)
    return tuple(int(number) for number in found[1].split(".")) if found else ()


def _same_length(one: tuple[int, ...], two: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    length = max(len(one), len(two))
    return one + (0,) * (length - len(one)), two + (0,) * (length - len(two))


def _parse(line: str, extra: str) -> Requirement:
    found = _LINE.fullmatch(line)
    if found is None:  # another form, as a URL: nothing to compare
        return Requirement(line, "", extra)
    return Requirement(found[1], found[2].strip(), found[3] or extra)
