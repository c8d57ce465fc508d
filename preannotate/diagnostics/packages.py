"""Python and the packages of this environment: installed, in a tested version, and importable.

Engines are imported in a process of their own: on a processor that lacks an instruction they end the whole process.
The tested versions come from this project's own metadata, of which only `>=`, `<` and the like on plain numbers are
understood; a test holds pyproject.toml to that.
"""

import importlib.metadata
import itertools
import operator
import os
import platform
import re
import sys
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from preannotate.core.child_process import run_tool
from preannotate.diagnostics.finding import Finding, error, note, ok, warning

# Two distributions of one package: either will do, both together overwrite each other's files.
TENSORFLOWS = ("tensorflow-cpu", "tensorflow")
ENGINE_PACKAGES = {"openvino": ("openvino",), "tensorflow": TENSORFLOWS}
# Purpose of each extra; others are for developers.
EXTRAS = {
    "": "everything",
    "train": "training, and the GPU variant of a function",
    "build": "`preannotate build` and `check`",
    "serve": "`preannotate serve`",
}
IMPORT_SECONDS = 20.0
_GPU_EXTRA = "train-gpu"
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
    """A package, its versions as in ">=2.1,<3", and the extra of this project that needs it; "" if everything does."""

    package: str
    versions: str
    extra: str


@dataclass(frozen=True)
class Declared:
    """The versions of Python and the packages that this project needs."""

    python: str
    packages: tuple[Requirement, ...]


def python() -> Iterator[Finding]:
    """The version of Python."""
    version, wanted = platform.python_version(), declared()
    if wanted is None or allows(wanted.python, version):
        yield ok("Python", version)
        return
    yield error(
        "Python",
        f"{version}; expected {wanted.python}.",
        "Make another environment: python3.11 -m venv .venv && .venv/bin/pip install 'preannotate[train,build,serve]'",
    )


def packages() -> Iterator[Finding]:
    """The versions of the packages, and what the missing ones are needed for."""
    wanted = declared()
    if wanted is None:
        yield note("packages", "the versions that Preannotate needs are not known: it was not installed by pip.")
        return
    found: dict[str, str] = {}
    for extra, purpose in EXTRAS.items():
        missing = []
        for requirement in wanted.packages:
            if requirement.extra != extra:
                continue
            name, version = _version(requirement)
            if version is None:
                missing.append(requirement.package)
                continue
            if not allows(requirement.versions, version) and name not in found:
                yield _wrong_version(name, version, requirement)
            found[name] = version
        if missing:
            yield _missing(extra, purpose, missing)
    yield ok("packages", ", ".join(f"{name} {version}" for name, version in sorted(found.items())))


def two_tensorflows() -> Iterator[Finding]:
    """Whether tensorflow and tensorflow-cpu are both installed: the later has overwritten half of the other."""
    versions = {name: installed(name) for name in TENSORFLOWS}
    if all(versions.values()):
        yield error(
            "TensorFlow",
            f"{' and '.join(f'{name} {version}' for name, version in versions.items())} are both installed; they "
            f"are one package, and overwrite each other's files.",
            "pip uninstall --yes tensorflow tensorflow-cpu && pip install 'preannotate[train]'   "
            f"(or '{_GPU_EXTRA}' instead of 'train', for a GPU)",
        )


def engines() -> Iterator[Finding]:
    """Whether the installed engines can be imported."""
    for module, distributions in ENGINE_PACKAGES.items():
        if any(installed(name) for name in distributions):
            yield from engine_import(module)


def engine_import(module: str) -> Iterator[Finding]:
    """Import a module, which needs a `__version__`, in a process of its own."""
    code = f"import {module}; print({module}.__version__)"
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"}
    # -P: a folder here may have the name of the module.
    result = run_tool(sys.executable, "-P", "-c", code, timeout=IMPORT_SECONDS, env=environment)
    where = f"import {module}"
    if not result.problem:
        yield ok(where, result.stdout.strip())
    elif "SIGILL" in result.problem:
        yield error(
            where,
            f"{result.problem}: the processor lacks an instruction that the package needs.",
            "In a virtual machine, hand the host's processor through (CPU type `host`); else use another machine.",
        )
    elif result.problem.startswith("no answer"):
        yield warning(where, f"{result.problem}.", "Try again; a first import from a slow disk may take long.")
    else:
        package = ENGINE_PACKAGES.get(module, (module,))[0]
        yield error(where, f"{result.problem}.", f"pip install --force-reinstall '{package}'")


def declared() -> Declared | None:
    """Return the requirements in pyproject.toml, or in the installed metadata; None if there is neither."""
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
    """Return the version of a package; None if it is not installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def allows(versions: str, version: str) -> bool:
    """Return whether `version` is one of `versions` (">=2.1,<3"); the end of 2.1rc1 is ignored."""
    for sign, bound in clauses(versions):
        here, there = zip(*itertools.zip_longest(release(version), bound, fillvalue=0), strict=True)
        if not _COMPARE[sign](here, there):
            return False
    return True


def clauses(versions: str) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yield sign and bound of each comparison in ">=2.1,<3"; what is no comparison of numbers is left out."""
    for text in versions.split(","):
        if found := _CLAUSE.fullmatch(text):
            yield found[1], release(found[2])


def release(version: str) -> tuple[int, ...]:
    """Return the numbers that a version begins with: (2, 1) of 2.1rc1."""
    found = re.match(r"v?(\d+(?:\.\d+)*)", version)
    return tuple(int(number) for number in found[1].split(".")) if found else ()


def _version(requirement: Requirement) -> tuple[str, str | None]:
    """Name and version of the installed package that fulfils a requirement."""
    alternatives = TENSORFLOWS if requirement.package in TENSORFLOWS else (requirement.package,)
    for name in alternatives:
        if (version := installed(name)) is not None:
            return name, version
    return requirement.package, None


def _wrong_version(name: str, version: str, requirement: Requirement) -> Finding:
    return warning(
        name,
        f"{version}; expected {requirement.versions}, with which Preannotate was tested.",
        f"pip install '{name}{requirement.versions}'",
    )


def _missing(extra: str, purpose: str, packages: list[str]) -> Finding:
    severity, name = (note, f"preannotate[{extra}]") if extra else (error, "preannotate")
    return severity(", ".join(packages), f"not installed, and needed for {purpose}.", f"pip install '{name}'")


def _parse(line: str, extra: str) -> Requirement:
    found = _LINE.fullmatch(line)
    if found is None:  # another form, as a URL: nothing to compare
        return Requirement(line, "", extra)
    return Requirement(found[1], found[2].strip(), found[3] or extra)
