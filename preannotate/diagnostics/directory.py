"""A function directory, without running it: its files, its proof, and what would go wrong once it is deployed."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from builder import static_check
from builder.errors import BuildError
from builder.function_directory import PARITY_FILE, FunctionDirectory
from preannotate.diagnostics.finding import Finding, error, error_from_sentence, note, ok, warning
from preannotate.diagnostics.functions import LocalFunction
from preannotate.diagnostics.packages import installed
from runtime.errors import ManifestError
from runtime.manifest import FILE_NAME, FORMAT

_RUNTIME = "runtime/"


def files(directory: Path) -> Iterator[Finding]:
    """What `preannotate check` rejects before it runs anything."""
    found = static_check.problems(directory)
    changed = [sentence for sentence in found if sentence.startswith(_RUNTIME)]
    too_new = _is_too_new(directory)
    if too_new:
        yield error(
            FILE_NAME,
            f"written by a newer Preannotate (format {too_new}; this one reads {FORMAT}).",
            "pip install --upgrade preannotate",
        )
    for sentence in found:
        if sentence not in changed and not (too_new and FILE_NAME in sentence):
            yield error_from_sentence("", sentence, "Build the function again.")
    if changed:
        yield warning(
            _RUNTIME,
            f"{len(changed)} files differ from this Preannotate's: another version built it, or somebody edited it.",
            "It may go on serving. For this version: "
            f"preannotate build RUN --name {FunctionDirectory(directory).name} --overwrite",
        )
    for sentence in static_check.notes(directory):
        yield note(str(directory), sentence)
    if not found:
        yield ok("files", "complete, and as CVAT and nuclio want them")


def proof(directory: Path) -> Iterator[Finding]:
    """Whether `parity.json` proves the function, with the digests of these very files."""
    function, remedy = FunctionDirectory(directory), f"preannotate check {directory}"
    try:
        found = function.proof()
    except BuildError as failed:
        yield error_from_sentence("", str(failed), remedy)
        return
    if found is None:
        yield warning(PARITY_FILE, "no such file: nobody has compared this function with what was trained.", remedy)
        return
    problems = function.proof_problems()
    for sentence in problems:
        yield error_from_sentence("", sentence, remedy)
    if not problems:
        yield ok(PARITY_FILE, _proven_with(found.figures.get("versions")))


def fingerprints(directory: Path, functions: Sequence[LocalFunction]) -> Iterator[Finding]:
    """Whether YAML files, model.json and the network itself are of one training."""
    try:
        named = FunctionDirectory(directory).model_fingerprint
    except ManifestError:
        return  # `files` reports it
    for function in functions:
        if function.fingerprint != named:
            yield error(
                function.variant.file,
                f"is of model {function.fingerprint or 'unknown'}, {FILE_NAME} of {named or 'unknown'}.",
                "Files of two builds were mixed. Build the function again.",
            )


def ports(functions: Sequence[LocalFunction]) -> Iterator[Finding]:
    """Whether CVAT will still find it after Docker has been restarted."""
    for function in functions:
        where = function.variant.file
        if function.settings.port is not None:
            yield ok(where, f"port {function.settings.port}, always the same")
            continue
        yield note(
            where,
            "no fixed port in it: deploy.sh gives the function one; nuctl alone lets Docker choose, and another one "
            "after a restart of the machine, while nuclio goes on telling CVAT the old one (503, connection refused).",
            "Deploy it with ./deploy.sh, or add `port: 32001` (a free number for each function) beside "
            "maxRequestBodySize. `preannotate serve` does not need it.",
        )


def collisions(functions: Sequence[LocalFunction]) -> Iterator[Finding]:
    """Functions that cannot be deployed beside each other."""
    for what, value_of in {"metadata.name": lambda one: one.name, "port": lambda one: one.settings.port}.items():
        holders: dict[Any, list[str]] = {}
        for function in functions:
            if value_of(function) is not None:
                holders.setdefault(value_of(function), []).append(function.file)
        for value, files_ in holders.items():
            if len(files_) > 1:
                yield error(
                    " and ".join(files_),
                    f"{what} {value!r} is the same; only one of them can be deployed.",
                    f"Give each its own {what}.",
                )


def _is_too_new(directory: Path) -> int:
    """The format of model.json if this software is too old for it, else 0."""
    try:
        found = json.loads((directory / FILE_NAME).read_text(encoding="utf-8")).get("format")
    except (OSError, ValueError, AttributeError):
        return 0
    return found if isinstance(found, int) and found > FORMAT else 0


def _proven_with(versions: Any) -> str:
    proven = versions.get("openvino", "") if isinstance(versions, dict) else ""
    here = installed("openvino")
    same = "" if not proven or here is None or proven.startswith(here) else f" (with OpenVINO {proven}; here: {here})"
    return f"passed{same}"
