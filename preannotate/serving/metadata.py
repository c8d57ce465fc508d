"""What CVAT needs from a function's metadata before it may stand in the list.

CVAT reads the metadata of all functions in one go: one label without a name, one missing description, and the
page of models is empty for everybody. Each of these faults is looked for here and keeps only its own function out.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from preannotate.serving.errors import DirectoryError

KINDS = ("detector", "interactor", "reid", "tracker")
INPUT_TYPES = ("select", "radio", "checkbox", "number", "text")
RESERVED_NAMES = ("dashboard", "controller", "dlx", "scaler")
# A Kubernetes label has 63 characters, and nuclio puts `nuclio-` in front.
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,54}[a-z0-9])?", re.ASCII)
_WHOLE_NUMBER = re.compile(r"\s*[-+]?\d{1,18}\s*", re.ASCII)
_WHOLE_NUMBERS = ("version", "min_pos_points", "min_neg_points")
_Json = Mapping[str, Any]


def check_name(name: Any, where: str) -> str:
    """Refuse a name that CVAT, nuclio or Docker would refuse.

    Raises:
        DirectoryError: With the rule; `where` begins the sentence.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise DirectoryError(
            f"{where}: metadata.name is {name!r}; expected 1 to 56 lower-case letters, digits and hyphens, "
            f"with no hyphen at either end. Rename the function."
        )
    if name in RESERVED_NAMES:
        raise DirectoryError(
            f"{where}: metadata.name is {name!r}, which is nuclio's own; expected another. Rename the function."
        )
    return name


def check_description(description: Any, where: str) -> str:
    """Refuse an empty description, which nuclio leaves out of its answers and CVAT cannot do without.

    Raises:
        DirectoryError: `where` begins the sentence.
    """
    if not _is_text(description) or not description.strip():
        raise DirectoryError(
            f"{where}: spec.description is {description!r}; expected a text that is not empty. "
            f"CVAT would list no function at all."
        )
    return description


def check_annotations(annotations: Any, where: str) -> dict[str, str]:
    """Refuse annotations that would empty CVAT's list of functions, or this function's place in it.

    Returns:
        The same annotations.

    Raises:
        DirectoryError: The first fault, as a sentence that `where` begins.
    """
    if not isinstance(annotations, dict) or not annotations:
        raise DirectoryError(
            f"{where}: metadata.annotations is {annotations!r}; expected type, spec and version. "
            f"CVAT would list no function at all."
        )
    for fault in _annotation_faults(annotations):
        raise DirectoryError(f"{where}: {fault}")
    return annotations


def _annotation_faults(annotations: _Json) -> Iterator[str]:
    for key, value in annotations.items():
        if not _is_text(key):
            yield f"annotation {key!r} has no text as its name; expected one. Put it in quotes."
        if not _is_text(value):
            yield f"annotation {key} is {value!r}; expected a text. Put it in quotes."
    kind = annotations.get("type")
    if kind not in KINDS:
        yield f"annotation type is {kind!r}; expected one of: {', '.join(KINDS)}. CVAT could not call it."
    for key in _WHOLE_NUMBERS:
        if not _WHOLE_NUMBER.fullmatch(annotations.get(key, "1")):
            yield f"annotation {key} is {annotations[key]!r}; expected a whole number in quotes. Correct it."
    shape_types = annotations.get("supported_shape_types")
    if shape_types is not None and not shape_types.strip():
        yield "annotation supported_shape_types is empty; expected shape types or no such key. Remove it."
    try:
        labels = json.loads(annotations.get("spec") or "[]")
        json.dumps(labels, ensure_ascii=False, allow_nan=False).encode()  # as CVAT will write them
    except (ValueError, RecursionError) as error:
        yield f"annotation spec is not JSON ({error}); expected a list of labels. Correct it."
    else:
        yield from _label_faults(labels, "annotation spec")


def _label_faults(labels: Any, where: str) -> Iterator[str]:
    yield from _named_once(labels, where, "labels")
    for label in labels:
        place = f"{where}, label {label['name']!r}"
        if "type" in label and not isinstance(label["type"], str):
            yield f"{place} has type {label['type']!r}; expected a text. Correct it."
        if label.get("type") == "skeleton":
            if not isinstance(label.get("svg"), str) or not label.get("sublabels"):
                yield f"{place} is a skeleton without svg or sublabels; expected both. Add them."
            yield from _label_faults(label["sublabels"], place)
        attributes = label.get("attributes", [])
        yield from _named_once(attributes, place, "attributes")
        for attribute in attributes:
            yield from _attribute_faults(attribute, f"{place}, attribute {attribute['name']!r}")


def _attribute_faults(attribute: _Json, place: str) -> Iterator[str]:
    if attribute.get("input_type") not in INPUT_TYPES:
        found = attribute.get("input_type")
        yield f"{place} has input_type {found!r}; expected one of: {', '.join(INPUT_TYPES)}. Correct it."
    if not isinstance(attribute.get("values"), list):
        yield f"{place} has values {attribute.get('values')!r}; expected a list. Add it."


def _named_once(items: Any, where: str, what: str) -> Iterator[str]:
    if not isinstance(items, list):
        yield f"{where}: {items!r}; expected a list of {what}. Correct it."
    names: set[str] = set()
    for number, item in enumerate(items, start=1):
        name = item.get("name") if isinstance(item, dict) else None
        if not isinstance(name, str) or not name:
            yield f"{where}: number {number} of the {what} has no name; expected a text. Add one."
            continue
        if name in names:
            yield f"{where}: two {what} are called {name!r}; expected unique names. Rename one."
        names.add(name)


def _is_text(value: Any) -> bool:
    """Whether it is a text that can be sent; YAML and JSON can write half a character, too."""
    return isinstance(value, str) and not any("\ud800" <= character <= "\udfff" for character in value)
