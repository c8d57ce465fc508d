"""What `function.yaml` asks for: the function, its HTTP trigger and its limits.

`serve` runs the CPU variant, `function.yaml`, or with `--gpus` the other, `function-gpu.yaml`. Unknown keys are left
alone, as nuclio does; what `serve` reads is checked, so that a mistake shows as a sentence in the log and not as an
empty page in CVAT.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from preannotate.core.durations import seconds
from preannotate.serving.errors import DirectoryError
from preannotate.serving.metadata import check_annotations, check_description, check_name

CPU_FILE = "function.yaml"
GPU_FILE = "function-gpu.yaml"
# nuclio's own defaults, except for the first: without a timeout one endless request would block a worker for good.
EVENT_TIMEOUT_SECONDS = 60.0
WORKERS = 1
QUEUE_TIMEOUT_MILLISECONDS = 10_000
MAX_BODY_BYTES = 4 * 1024 * 1024
READINESS_TIMEOUT_SECONDS = 120
_HANDLER = re.compile(r"[\w-]+(\.[\w-]+)*:\w+")


@dataclass(frozen=True)
class FunctionConfig:
    """What `function.yaml` asks for.

    Attributes:
        path: The directory that holds it (functions/NAME/nuclio).
        name: metadata.name, CVAT's id of the function.
        annotations: What CVAT reads, checked.
        description: spec.description, never empty.
        handler: `module:function`.
        environment: spec.env.
        trigger: Name of the HTTP trigger.
        workers: Processes, that is requests answered at once.
        port: The port that direct calls should find, if the file names one.
        max_body_bytes: A longer request is refused.
        queue_seconds: How long a request may wait for a free worker; 0 means not at all.
        event_seconds: How long a handler may take.
        readiness_seconds: How long a worker may take until it is ready.
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
        workers = trigger.get("numWorkers") or trigger.get("maxWorkers") or WORKERS
        queue = trigger.get("workerAvailabilityTimeoutMilliseconds", QUEUE_TIMEOUT_MILLISECONDS)
        return cls(
            path=path,
            name=check_name(metadata.get("name"), where),
            annotations=annotations,
            description=check_description(spec.get("description"), where),
            handler=_handler(spec.get("handler", "main:handler"), where),
            environment=_environment(spec.get("env") or [], where),
            trigger=trigger_name,
            workers=_whole(workers, "numWorkers", where, lowest=1),
            port=_port(attributes.get("port"), where),
            max_body_bytes=_whole(
                attributes.get("maxRequestBodySize", MAX_BODY_BYTES), "maxRequestBodySize", where, lowest=1
            ),
            queue_seconds=_whole(queue, "workerAvailabilityTimeoutMilliseconds", where, lowest=0) / 1000,
            event_seconds=_event_seconds(spec.get("eventTimeout"), where),
            readiness_seconds=_whole(
                spec.get("readinessTimeoutSeconds", READINESS_TIMEOUT_SECONDS),
                "readinessTimeoutSeconds",
                where,
                lowest=1,
            ),
        )


def _yaml(path: Path) -> Any:
    try:
        return yaml.safe_load(path.read_bytes())
    except OSError as error:
        raise DirectoryError(f"{path}: {error.strerror}; expected a readable file. Check its permissions.") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        line = getattr(getattr(error, "problem_mark", None), "line", None)
        place = "" if line is None else f" (line {line + 1})"
        raise DirectoryError(
            f"{path}: not YAML{place}; expected the configuration of a nuclio function. Correct it."
        ) from error


def _check_names(annotations: dict[str, str], path: Path, where: str) -> None:
    """Refuse labels that a function would not answer with: CVAT silently drops boxes of other labels.

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
        return  # the function itself will say what it misses there
    if named != expected:
        raise DirectoryError(
            f"{where}: labels {named!r}; expected {expected!r}, as in {CPU_FILE}, from which the function takes them. "
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


def _whole(value: Any, what: str, where: str, *, lowest: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < lowest:
        raise DirectoryError(f"{where}: {what} is {value!r}; expected a whole number from {lowest} on. Correct it.")
    return value


def _port(value: Any, where: str) -> int | None:
    if value is None or value == 0:  # nuclio's 0 is "any"
        return None
    if _whole(value, "attributes.port", where, lowest=1) > 65535:
        raise DirectoryError(f"{where}: attributes.port is {value!r}; expected a whole number up to 65535. Correct it.")
    return value


def _event_seconds(value: Any, where: str) -> float:
    if value is None or value == "":
        return EVENT_TIMEOUT_SECONDS
    found = seconds(value) if isinstance(value, str) else None
    if found is None:
        raise DirectoryError(f"{where}: eventTimeout is {value!r}; expected a duration above 0, as in 50s. Correct it.")
    return found
