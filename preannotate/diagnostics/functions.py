"""A function as its directory describes it and as nuclio lists it, compared with each other and with CVAT's rules.

nuclio's dashboard, its store and `preannotate serve` all describe a function alike: `metadata`, `spec` and `status`.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from builder.function_yaml import FINGERPRINT
from builder.variants import VARIANTS, Variant
from preannotate.diagnostics import known_causes
from preannotate.diagnostics.finding import Finding, error, error_from_sentence, note, ok, warning
from preannotate.serving.errors import DirectoryError
from preannotate.serving.function_config import FunctionConfig, check_annotations, check_description

PROJECT = "cvat"
PROJECT_LABEL = "nuclio.io/project-name"
# nuclio's states of a function that can be called.
READY = ("ready", "scaledToZero")
_DEPLOYING = ("waitingForBuild", "building", "waitingForResourceConfiguration", "configuringResources")
# What `build` adds to the annotations that CVAT reads.
_OWN = "preannotate."
Labels = tuple[tuple[str, str], ...]
Listed = Mapping[str, Any]


@dataclass(frozen=True)
class LocalFunction:
    """One variant of a function directory.

    Attributes:
        path: As the user named it.
        variant: CPU or GPU.
        settings: From its YAML file.
        labels: (name, type) of each, sorted.
        fingerprint: Of the network; "" if the file names none.
    """

    path: Path
    variant: Variant
    settings: FunctionConfig
    labels: Labels
    fingerprint: str

    @property
    def name(self) -> str:
        """CVAT's id of the function."""
        return self.settings.name

    @property
    def file(self) -> str:
        """Path of the YAML file."""
        return str(self.settings.path / self.variant.file)


def read_variants(path: Path, directory: Path) -> tuple[list[LocalFunction], list[str]]:
    """Return the variants of a function directory, and a sentence for each that cannot be read.

    `path` is the directory as the user named it, `directory` its functions/NAME/nuclio.
    """
    found, problems = [], []
    for variant in VARIANTS.values():
        if not (directory / variant.file).is_file():
            continue  # static_check reports it
        try:
            found.append(_read_variant(path, directory, variant))
        except DirectoryError as failed:
            problems.append(str(failed))
    return found, problems


def labels_of(spec: str) -> Labels:
    """Return (name, type) of each label in the `spec` annotation, sorted; empty if it is no list of labels."""
    try:
        return tuple(sorted((str(item["name"]), str(item.get("type", "any"))) for item in json.loads(spec or "[]")))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return ()


def part(listed: Listed, *keys: str) -> Any:
    """Return a nested value; None where a level is missing."""
    value: Any = listed
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def check_metadata(name: str, listed: Listed) -> Iterator[Finding]:
    """Find what makes CVAT hide this function or, as most of these faults do, all functions of everybody."""
    remedy = f"Deploy {name} again with a corrected function.yaml, or delete it: nuctl delete function {name}"
    try:
        check_description(part(listed, "spec", "description"), name)
        check_annotations(part(listed, "metadata", "annotations"), name)
    except DirectoryError as failed:
        found = error_from_sentence(name, str(failed), remedy).finding
        consequence = "" if "CVAT" in found else " CVAT hides it, or answers 500 and shows no models at all."
        yield error(name, f"{found}{consequence}", remedy)


def check_state(name: str, listed: Listed) -> Iterator[Finding]:
    """Check whether nuclio can call it."""
    state, message = part(listed, "status", "state"), str(part(listed, "status", "message") or "").strip()
    if state in READY:
        return
    cause = known_causes.of_report(message) if "Error - " in message else ""
    cause = cause or message
    reason = f" ({cause.splitlines()[0][:200].rstrip('.')})" if cause else ""
    if state in _DEPLOYING:
        yield note(name, f"is {state}{reason}.", "Wait for it, then run this again.")
        return
    yield error(
        name,
        f"is {state!r}{reason}; CVAT lists it all the same, and each call fails.",
        f"Check its log (docker logs nuclio-nuclio-{name}), then deploy it again.",
    )


def compare_with_directory(function: LocalFunction, listed: Listed) -> Iterator[Finding]:
    """Check whether the deployed function is that of the directory."""
    differences = list(_differences(function, part(listed, "metadata", "annotations") or {}))
    for difference in differences:
        yield warning(function.name, difference, f"Deploy {function.path} again.")
    if not differences:
        yield ok(function.name, f"deployed as in the directory (model {function.fingerprint or 'unknown'})")


def different_labels(deployed: Labels, directory: Labels) -> str:
    """Return the labels that only one side has, for a message; "" if there are none."""
    sides = {"there": set(deployed) - set(directory), "in the directory": set(directory) - set(deployed)}
    return ", ".join(
        f"{', '.join(sorted(repr(name) for name, _ in only))} only {where}" for where, only in sides.items() if only
    )


def _differences(function: LocalFunction, annotations: Mapping[str, str]) -> Iterator[str]:
    deployed = annotations.get(FINGERPRINT, "")
    if deployed != function.fingerprint:
        yield f"model {deployed or 'unknown'} is deployed, {function.fingerprint or 'unknown'} lies in the directory."
    else:  # the same network may have been built in another way, which its other annotations show
        for key, value in sorted(function.settings.annotations.items()):
            if key.startswith(_OWN) and annotations.get(key, value) != value:
                yield f"{key} is {annotations[key]!r}, and {value!r} in the directory."
    if labels := different_labels(labels_of(str(annotations.get("spec", ""))), function.labels):
        yield f"the deployed labels are not those of the directory: {labels}."


def _read_variant(path: Path, directory: Path, variant: Variant) -> LocalFunction:
    settings = FunctionConfig.read(directory, variant.file)
    return LocalFunction(
        path=path,
        variant=variant,
        settings=settings,
        labels=labels_of(settings.annotations.get("spec", "")),
        fingerprint=settings.annotations.get(FINGERPRINT, ""),
    )
