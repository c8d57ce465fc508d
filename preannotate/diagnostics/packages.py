"""Python and the packages of this environment: there, in a version that was tried, and importable.

Engines are imported in a process of their own: on a processor that lacks an instruction they end the whole process.
"""

import os
import platform
import sys
from collections.abc import Iterator

from preannotate.core.child_process import run_tool
from preannotate.diagnostics.finding import Finding, error, note, ok, warning
from preannotate.diagnostics.requirements import Requirement, allows, declared, installed

# Distributions of one and the same package: either will do, both destroy each other.
TENSORFLOWS = ("tensorflow-cpu", "tensorflow")
ENGINE_PACKAGES = {"openvino": ("openvino",), "tensorflow": TENSORFLOWS}
# What each extra is for, in words; others are for developers.
EXTRAS = {
    "": "everything",
    "train": "training, and the GPU variant of a function",
    "build": "`preannotate build` and `check`",
    "serve": "`preannotate serve`",
}
IMPORT_SECONDS = 20.0
_GPU_EXTRA = "train-gpu"


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
    """The versions of the packages, and what cannot be done without those that are missing."""
    wanted = declared()
    if wanted is None:
        yield note("packages", "the versions that Preannotate asks for are not known: it was not installed by pip.")
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
    """Tensorflow and tensorflow-cpu beside each other: whoever came last has overwritten half of the other."""
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
    """Whether what runs the models can be imported at all."""
    for module, distributions in ENGINE_PACKAGES.items():
        if any(installed(name) for name in distributions):
            yield from engine_import(module)


def engine_import(module: str) -> Iterator[Finding]:
    """Import a module in a process of its own.

    Args:
        module: Name to import; it needs a `__version__`.
    """
    code = f"import {module}; print({module}.__version__)"
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"}
    # -P: a folder here may have the name of the module.
    said = run_tool(sys.executable, "-P", "-c", code, timeout=IMPORT_SECONDS, env=environment)
    where = f"import {module}"
    if not said.problem:
        yield ok(where, said.stdout.strip())
    elif "SIGILL" in said.problem:
        yield error(
            where,
            f"{said.problem}: the processor lacks an instruction that the package needs.",
            "In a virtual machine, hand the host's processor through (CPU type `host`); else use another machine.",
        )
    elif said.problem.startswith("no answer"):
        yield warning(where, f"{said.problem}.", "Try again; a first import from a slow disk may take long.")
    else:
        packages = " or ".join(f"'{name}'" for name in ENGINE_PACKAGES.get(module, (module,))[:1])
        yield error(where, f"{said.problem}.", f"pip install --force-reinstall {packages}")


def _version(requirement: Requirement) -> tuple[str, str | None]:
    """Name and version of what fulfils a requirement."""
    alternatives = TENSORFLOWS if requirement.package in TENSORFLOWS else (requirement.package,)
    for name in alternatives:
        if (version := installed(name)) is not None:
            return name, version
    return requirement.package, None


def _wrong_version(name: str, version: str, requirement: Requirement) -> Finding:
    return warning(
        name,
        f"{version}; expected {requirement.versions}, with which Preannotate was tried.",
        f"pip install '{name}{requirement.versions}'",
    )


def _missing(extra: str, purpose: str, packages: list[str]) -> Finding:
    name = f"preannotate[{extra}]" if extra else "preannotate"
    text = f"not installed, and needed for {purpose}."
    remedy = f"pip install '{name}'"
    return note(", ".join(packages), text, remedy) if extra else error(", ".join(packages), text, remedy)
