"""What `function.yaml` holds: the function, its HTTP trigger and its limits, and what CVAT reads of it.

`serve` runs the CPU variant, `function.yaml`, or with `--gpus` the other, `function-gpu.yaml`. Unknown keys are left
alone, as nuclio does. What `serve` reads is checked, for CVAT reads the metadata of all functions in one go: one label
without a name, one missing description, and the page of models is empty for everybody. A faulty file keeps only its
own function out, with a sentence in the log.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from builder.function_yaml import RESERVED_NAMES
from preannotate.core.text import parse_duration
from preannotate.serving.errors import DirectoryError
from runtime import bounded_yaml

CPU_FILE = "function.yaml"
GPU_FILE = "function-gpu.yaml"
KINDS = ("detector", "interactor", "reid", "tracker")
# nuclio's own defaults, except for the first: without a timeout one endless request would block a worker for good.
_EVENT_TIMEOUT_SECONDS = 60.0
_WORKERS = 1
_QUEUE_TIMEOUT_MILLISECONDS = 10_000
_MAX_BODY_BYTES = 4 * 1024 * 1024
_READINESS_TIMEOUT_SECONDS = 120
_HANDLER = re.compile(r"[\w-]+(\.[\w-]+)*:\w+")
_INPUT_TYPES = ("select", "radio", "checkbox", "number", "text")
# A Kubernetes label has 63 characters, and nuclio puts `nuclio-` in front.
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,54}[a-z0-9])?", re.ASCII)
_WHOLE_NUMBER = re.compile(r"\s*[-+]?\d{1,18}\s*", re.ASCII)
_WHOLE_NUMBERS = ("version", "min_pos_points", "min_neg_points")
_Json = Mapping[str, Any]


@dataclass(frozen=True)
class FunctionConfig:
    """A checked `function.yaml`.

    Attributes:
        path: The directory that holds it (functions/NAME/nuclio).
        name: metadata.name, CVAT's id of the function.
        description: Never empty.
        handler: `module:function`.
        trigger: Name of the HTTP trigger.
        port: For direct calls; None for any.
        queue_seconds: How long a request may wait for a free worker; 0 means not at all.
        event_seconds: How long a handler may take.
        readiness_seconds: How long a worker may take until it is ready.
        base_image: What nuclio builds the container from; "" if the file names none.
    """

    path: Path
    name: str
    annotations: dict[str, str]
    description: str
    handler: str
    environment: dict[str, str]
    trigger: str
    workers: int
    port: int | None
    max_body_bytes: int
    queue_seconds: float
    event_seconds: float
    readiness_seconds: float
    base_image: str

    @classmethod
    def read(cls, path: Path, file_name: str = CPU_FILE) -> "FunctionConfig":
        """Read and check `path`/`file_name`.

        Raises:
            DirectoryError: With the place and the remedy in one sentence.
        """
        where = str(path / file_name)
        content = _mapping(_yaml(path / file_name), "the file", where)
        metadata = _mapping(content.get("metadata"), "metadata", where)
        spec = _mapping(content.get("spec"), "spec", where)
        annotations = check_annotations(metadata.get("annotations"), where)
        if file_name != CPU_FILE:
            _check_names(annotations, path, where)
        trigger_name, trigger = _http_trigger(spec.get("triggers") or {}, where)
        attributes = _mapping(trigger.get("attributes") or {}, "attributes of the trigger", where)
        # maxWorkers is what numWorkers was called before nuclio 1.13.
        workers = trigger.get("numWorkers") or trigger.get("maxWorkers") or _WORKERS
        queue = trigger.get("workerAvailabilityTimeoutMilliseconds", _QUEUE_TIMEOUT_MILLISECONDS)
        max_body = attributes.get("maxRequestBodySize", _MAX_BODY_BYTES)
        readiness = spec.get("readinessTimeoutSeconds", _READINESS_TIMEOUT_SECONDS)
        return cls(
            path=path,
            name=check_name(metadata.get("name"), where),
            annotations=annotations,
            description=check_description(spec.get("description"), where),
            handler=_handler(spec.get("handler", "main:handler"), where),
            environment=_environment(spec.get("env") or [], where),
            trigger=trigger_name,
            workers=_whole(workers, "numWorkers", where),
            port=_port(attributes.get("port"), where),
            max_body_bytes=_whole(max_body, "maxRequestBodySize", where),
            queue_seconds=_whole(queue, "workerAvailabilityTimeoutMilliseconds", where, lowest=0) / 1000,
            event_seconds=_event_seconds(spec.get("eventTimeout"), where),
            readiness_seconds=_whole(readiness, "readinessTimeoutSeconds", where),
            base_image=_base_image(spec.get("build")),
        )


def _yaml(path: Path) -> Any:
    try:
        return bounded_yaml.read(path)
    except OSError as error:
        raise DirectoryError(f"{path}: {error.strerror}; expected a readable file. Check its permissions.") from error
    except ValueError as error:
        line = getattr(getattr(error.__cause__, "problem_mark", None), "line", None)
        place = "" if line is None else f" (line {line + 1})"
        raise DirectoryError(
            f"{path}: not YAML{place}; expected the configuration of a nuclio function. Correct it."
        ) from error


def _check_names(annotations: dict[str, str], path: Path, where: str) -> None:
    """Refuse labels that the function does not return: CVAT silently drops boxes of other labels.

    In a container the variant's file is called function.yaml, and there the function looks for its labels; here both
    files lie side by side.
    """
    try:
        other = json.loads(_yaml(path / CPU_FILE)["metadata"]["annotations"]["spec"])
        named, expected = (
            {label["name"]: label.get("id") for label in labels}
            for labels in (json.loads(annotations.get("spec") or "[]"), other)
        )
    except (DirectoryError, AttributeError, KeyError, RecursionError, TypeError, ValueError):
        return  # the function itself will report what it misses there
    if named != expected:
        raise DirectoryError(
            f"{where}: labels {named!r}; expected {expected!r}, as in {CPU_FILE}, from which the function reads them. "
            f"Name them alike in both files."
        )


def _mapping(value: Any, what: str, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise DirectoryError(f"{where}: {what} is {value!r}; expected keys and values. Correct it.")
    return value


def _http_trigger(triggers: Any, where: str) -> tuple[str, dict[str, Any]]:
    named = _mapping(triggers, "spec.triggers", where)
    found = [
        (str(name), trigger)
        for name, trigger in named.items()
        if _mapping(trigger, f"trigger {name}", where).get("kind") == "http"
    ]
    if len(found) > 1:
        raise DirectoryError(
            f"{where}: {len(found)} http triggers; expected at most one, as nuclio does. Remove the others."
        )
    return found[0] if found else ("default-http", {})


def _handler(handler: Any, where: str) -> str:
    if not isinstance(handler, str) or not _HANDLER.fullmatch(handler):
        raise DirectoryError(
            f"{where}: spec.handler is {handler!r}; expected module:function, as in main:handler. Correct it."
        )
    return handler


def _base_image(build: Any) -> str:
    return str(build.get("baseImage", "")) if isinstance(build, dict) else ""  # `serve` itself does not need it


def _environment(items: Any, where: str) -> dict[str, str]:
    if not isinstance(items, list):
        raise DirectoryError(f"{where}: spec.env is {items!r}; expected a list of names and values. Correct it.")
    environment: dict[str, str] = {}
    for item in items:
        name, value = (item.get("name"), item.get("value", "")) if isinstance(item, dict) else (None, None)
        if not (isinstance(name, str) and isinstance(value, str)) or "valueFrom" in item:
            name = value = ""
        if not name or "=" in name or "\0" in name + value:
            raise DirectoryError(
                f"{where}: spec.env holds {item!r}; expected name and value as texts. Put the value in quotes."
            )
        environment[name] = value
    return environment


def _whole(value: Any, what: str, where: str, *, lowest: int = 1) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < lowest:
        raise DirectoryError(f"{where}: {what} is {value!r}; expected a whole number from {lowest} on. Correct it.")
    return value


def _port(value: Any, where: str) -> int | None:
    if value is None or value == 0:  # nuclio's 0 is "any"
        return None
    if _whole(value, "attributes.port", where) > 65535:
        raise DirectoryError(f"{where}: attributes.port is {value!r}; expected a whole number up to 65535. Correct it.")
    return value


def _event_seconds(value: Any, where: str) -> float:
    if value is None or value == "":
        return _EVENT_TIMEOUT_SECONDS
    found = parse_duration(value) if isinstance(value, str) else None
    if found is None:
        raise DirectoryError(f"{where}: eventTimeout is {value!r}; expected a duration above 0, as in 50s. Correct it.")
    return found


def check_name(name: Any, where: str) -> str:
    """Return the name; raise DirectoryError, beginning with `where`, if CVAT, nuclio or Docker would refuse it."""
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
    """Return the description; raise DirectoryError if it is empty: nuclio leaves it out, and CVAT cannot do without."""
    if not _is_text(description) or not description.strip():
        raise DirectoryError(
            f"{where}: spec.description is {description!r}; expected a text that is not empty. "
            f"CVAT would list no function at all."
        )
    return description


def check_annotations(annotations: Any, where: str) -> dict[str, str]:
    """Return the annotations; raise DirectoryError on the first fault for which CVAT would not list the function."""
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
    if attribute.get("input_type") not in _INPUT_TYPES:
        found = attribute.get("input_type")
        yield f"{place} has input_type {found!r}; expected one of: {', '.join(_INPUT_TYPES)}. Correct it."
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
    """Return whether a value is a text that can be sent: YAML and JSON can hold half of a surrogate pair."""
    return isinstance(value, str) and not any("\ud800" <= character <= "\udfff" for character in value)
