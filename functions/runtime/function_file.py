"""What `function.yaml` sets for the code beside it: names of the classes, and the reply to an unreadable image."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from runtime import bounded_yaml
from runtime.errors import EngineError, LabelError, first_line
from runtime.manifest import Manifest

# Decides which labels of a task may be filled; CVAT accepts no other spelling.
LABEL_TYPE = "rectangle"
# Environment variable: the reply to an image that cannot be decoded.
UNREADABLE = "MODEL_UNREADABLE_IMAGE"
UNREADABLE_POLICIES = ("error", "empty")


def read_labels(path: Path) -> dict[int, str]:
    """Read the labels that `function.yaml` gives to CVAT.

    Args:
        path: `function.yaml`; its `metadata.annotations.spec` is a JSON list in a text.

    Returns:
        Name of each `id`.

    Raises:
        LabelError: No file, no list, or an id or a name that is missing or there twice.
    """
    try:
        function = bounded_yaml.read(path)
        items = [(item["id"], item["name"]) for item in json.loads(function["metadata"]["annotations"]["spec"])]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise LabelError(
            f"{path}: {type(error).__name__} {first_line(error)}; expected a JSON list of labels, each with "
            f"id and name, in metadata.annotations.spec. Build the function again."
        ) from error
    ids, names = [item[0] for item in items], [item[1] for item in items]
    if not all(type(class_id) is int for class_id in ids) or len(set(ids)) != len(ids):
        raise LabelError(f"{path}: label ids {ids!r}; expected whole numbers, each only once.")
    if not all(isinstance(name, str) and name for name in names) or len(set(names)) != len(names):
        raise LabelError(f"{path}: label names {names!r}; expected texts, each only once. CVAT refuses others.")
    return dict(items)


def rename_classes(manifest: Manifest, labels: Mapping[int, str]) -> Manifest:
    """Return the manifest with the names of `function.yaml`.

    Names may be edited freely there, so that they fit those of a CVAT project; `id` ties them to a class.

    Raises:
        LabelError: The ids are not exactly the class ids of the network.
    """
    num_classes = len(manifest.labels)
    if set(labels) != set(range(num_classes)):
        raise LabelError(
            f"function.yaml: label ids {sorted(labels)!r} in metadata.annotations.spec; expected 0 to "
            f"{num_classes - 1}, the classes in model.json. Edit names freely, but keep one entry per class."
        )
    return replace(manifest, labels=tuple(labels[class_id] for class_id in range(num_classes)))


def unreadable_policy(value: str) -> str:
    """Check the value of MODEL_UNREADABLE_IMAGE: the reply to an image that cannot be decoded.

    Returns:
        "error" (also for ""): status 400. "empty": no rectangles, and a warning in the log.

    Raises:
        EngineError: Another value.
    """
    if value in ("", *UNREADABLE_POLICIES):
        return value or UNREADABLE_POLICIES[0]
    raise EngineError(f"{UNREADABLE}: {value!r}; expected one of: {', '.join(UNREADABLE_POLICIES)}.")
