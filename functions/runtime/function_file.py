"""What `function.yaml` sets for the code beside it: names and types of labels, and the reply to an unreadable image."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from runtime import bounded_yaml
from runtime.errors import EngineError, LabelError, first_line
from runtime.manifest import LABEL_TYPES, MASK, Manifest

# Environment variable: the reply to an image that cannot be decoded.
UNREADABLE = "MODEL_UNREADABLE_IMAGE"
UNREADABLE_POLICIES = ("error", "empty")


@dataclass(frozen=True)
class FunctionLabel:
    """A label as CVAT sees it.

    Attributes:
        type: Decides which labels of a task may be filled, and what is answered: "rectangle", "polygon" or "mask".
            Anything else, or nothing, is answered as the network can: "" here.
    """

    name: str
    type: str = ""


def read_labels(path: Path) -> dict[int, FunctionLabel]:
    """Read the labels that `function.yaml` gives to CVAT.

    Args:
        path: `function.yaml`; its `metadata.annotations.spec` is a JSON list in a text.

    Returns:
        The label of each `id`.

    Raises:
        LabelError: No file, no list, or an id or a name that is missing or there twice.
    """
    try:
        function = bounded_yaml.read(path)
        spec = json.loads(function["metadata"]["annotations"]["spec"])
        items = [(item["id"], item["name"], item.get("type")) for item in spec]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise LabelError(
            f"{path}: {type(error).__name__} {first_line(error)}; expected a JSON list of labels, each with "
            f"id and name, in metadata.annotations.spec. Build the function again."
        ) from error
    ids, names = [item[0] for item in items], [item[1] for item in items]
    if not all(type(class_id) is int for class_id in ids) or len(set(ids)) != len(ids):
        raise LabelError(f"{path}: label ids {ids!r}; expected whole numbers, each only once.")
    if not all(isinstance(name, str) and name for name in names) or len(set(names)) != len(names):
        raise LabelError(f"{path}: label names {names!r}; expected texts, each only once. CVAT refuses others.")
    return {class_id: FunctionLabel(name, kind if kind in LABEL_TYPES else "") for class_id, name, kind in items}


def rename_classes(manifest: Manifest, labels: Mapping[int, FunctionLabel]) -> Manifest:
    """Return the manifest with the names and types of `function.yaml`.

    Names may be edited freely there, so that they fit those of a CVAT project; `id` ties them to a class. Types count
    only for a network that gives masks.

    Raises:
        LabelError: The ids are not exactly the class ids of the network.
    """
    num_classes = len(manifest.labels)
    if set(labels) != set(range(num_classes)):
        raise LabelError(
            f"function.yaml: label ids {sorted(labels)!r} in metadata.annotations.spec; expected 0 to "
            f"{num_classes - 1}, the classes in model.json. Edit names freely, but keep one entry per class."
        )
    in_order = [labels[class_id] for class_id in range(num_classes)]
    types = () if manifest.mask_head is None else tuple(label.type or MASK for label in in_order)
    return replace(manifest, labels=tuple(label.name for label in in_order), label_types=types)


def unreadable_policy(value: str) -> str:
    """Check the value of MODEL_UNREADABLE_IMAGE: the reply to an image that cannot be decoded.

    Returns:
        "error" (also for ""): status 400. "empty": no objects, and a warning in the log.

    Raises:
        EngineError: Another value.
    """
    if value in ("", *UNREADABLE_POLICIES):
        return value or UNREADABLE_POLICIES[0]
    raise EngineError(f"{UNREADABLE}: {value!r}; expected one of: {', '.join(UNREADABLE_POLICIES)}.")
