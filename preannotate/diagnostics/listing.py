"""A function as nuclio lists it, held against CVAT's rules and against the directory it was made from.

nuclio's dashboard, its store and `preannotate serve` all describe a function alike: `metadata`, `spec` and `status`.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from builder.function_yaml import FINGERPRINT
from preannotate.diagnostics.finding import ERROR, Finding, error, from_sentence, note, ok, warning
from preannotate.diagnostics.local import Labels, LocalFunction, labels_of
from preannotate.serving.errors import DirectoryError
from preannotate.serving.function_config import check_annotations, check_description

PROJECT = "cvat"
PROJECT_LABEL = "nuclio.io/project-name"
# What nuclio says of a function that can be called.
READY = ("ready", "scaledToZero")
# What `build` adds to the annotations that CVAT reads.
_OWN = "preannotate."
_ON_THE_WAY = ("waitingForBuild", "building", "waitingForResourceConfiguration", "configuringResources")
Listed = Mapping[str, Any]


def part(listed: Listed, *keys: str) -> Any:
    """A value some levels down; None where a level is missing."""
    value: Any = listed
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def rules(name: str, listed: Listed) -> Iterator[Finding]:
    """What makes CVAT hide this function or, as most of these faults do, all functions of everybody."""
    remedy = f"Deploy {name} again with a corrected function.yaml, or delete it: nuctl delete function {name}"
    try:
        check_description(part(listed, "spec", "description"), name)
        check_annotations(part(listed, "metadata", "annotations"), name)
    except DirectoryError as failed:
        found = from_sentence(ERROR, name, str(failed), remedy).finding
        consequence = "" if "CVAT" in found else " CVAT hides it, or answers 500 and shows no models at all."
        yield error(name, f"{found}{consequence}", remedy)


def state(name: str, listed: Listed) -> Iterator[Finding]:
    """Whether it can be called."""
    found, message = part(listed, "status", "state"), str(part(listed, "status", "message") or "").strip()
    if found in READY:
        return
    said = f" ({message.splitlines()[0][:200]})" if message else ""
    if found in _ON_THE_WAY:
        yield note(name, f"is {found}{said}.", "Wait for it, and ask again.")
        return
    yield error(
        name,
        f"is {found!r}{said}; CVAT lists it all the same, and each call fails.",
        "Look into its log (docker logs nuclio-nuclio-" + name + "), and deploy it again.",
    )


def drift(function: LocalFunction, listed: Listed) -> Iterator[Finding]:
    """Whether what is deployed is what lies in the directory."""
    differences = list(_differences(function, part(listed, "metadata", "annotations") or {}))
    for difference in differences:
        yield warning(function.name, difference, f"Deploy {function.path} again.")
    if not differences:
        model = function.fingerprint or "unknown"
        yield ok(function.name, f"what is deployed is what lies in the directory (model {model})")


def different_labels(there: Labels, here: Labels) -> str:
    """The labels that only one side has, in words; "" if there are none."""
    sides = {"there": set(there) - set(here), "in the directory": set(here) - set(there)}
    return ", ".join(
        f"{', '.join(sorted(repr(name) for name, _ in only))} only {where}" for where, only in sides.items() if only
    )


def _differences(function: LocalFunction, annotations: Mapping[str, str]) -> Iterator[str]:
    there, here = annotations.get(FINGERPRINT, ""), function.fingerprint
    if there != here:
        yield f"model {there or 'unknown'} is deployed, {here or 'unknown'} lies in the directory."
    else:  # the same network may have been built in another way, which its other annotations tell
        for key, value in sorted(function.settings.annotations.items()):
            if key.startswith(_OWN) and annotations.get(key, value) != value:
                yield f"{key} is {annotations[key]!r}, and {value!r} in the directory."
    labels = different_labels(labels_of(str(annotations.get("spec", ""))), function.labels)
    if labels:
        yield f"the deployed labels are not those of the directory: {labels}."
