"""Which label of a task each label of a function means, and what its shapes must carry there."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from preannotate.cvat.errors import CvatError
from preannotate.cvat.server import Json

# CVAT takes a rectangle for these types of labels; any other it would refuse, or drop without a word.
_TAKES_RECTANGLES = ("rectangle", "any")


@dataclass(frozen=True)
class TargetLabel:
    """A label of a task that takes the boxes of a function.

    Attributes:
        id: On the server.
        attributes: Id of each attribute to its default, which CVAT's page would fill in.
        confidence: (id, minimum, maximum, step) of the number attribute that keeps the score; None keeps none.
    """

    id: int
    attributes: Mapping[int, str]
    confidence: tuple[int, float, float, float] | None = None

    def values(self, score: float) -> list[tuple[int, str]]:
        """Id and text of each attribute of a box with this score, in [0, 1]."""
        values = dict(self.attributes)
        if self.confidence is not None:
            number, least, most, step = self.confidence
            steps = round(score * (most - least) / step)
            values[number] = f"{least + steps * step:.6f}".rstrip("0").rstrip(".")
        return sorted(values.items())


def match_labels(
    task: int, content: Sequence[Json], labels: Collection[str], confidence: str | None
) -> tuple[dict[str, TargetLabel], list[str]]:
    """Match by name.

    Args:
        task: Number, for messages.
        content: The task's labels as the server gives them.
        labels: Of the function.
        confidence: Name of the attribute that keeps the score; None keeps none.

    Returns:
        Name to label, and whole sentences about names that have none.

    Raises:
        CvatError: Nothing matches, or no matching label has the attribute.
    """
    whole = {label["name"].strip(): label for label in content if label.get("parent_id") is None}
    usable = {name: label for name, label in whole.items() if label.get("type", "any") in _TAKES_RECTANGLES}
    matched = {name: _target(usable[name], confidence) for name in labels if name in usable}
    if not matched:
        raise CvatError(
            f"task {task}: none of the function's labels ({', '.join(labels)}) is one of its labels for rectangles "
            f"({', '.join(usable) or 'it has none'}); expected the same names. Rename them in the task or in "
            f"function.yaml."
        )
    if confidence is not None and not any(target.confidence for target in matched.values()):
        raise CvatError(
            f"--confidence-attribute: no label of task {task} that is filled has a number attribute {confidence!r}; "
            f"expected one. Add it to the labels in CVAT, of type Number, from 0 to 100."
        )
    return matched, [_why_not(task, name, whole) for name in labels if name not in matched]


def _why_not(task: int, name: str, whole: Mapping[str, Json]) -> str:
    if name in whole:
        return f"label {name!r} of task {task} is of the type {whole[name]['type']}: its boxes are left out."
    return f"task {task} has no label {name!r}: its boxes are left out."


def _target(label: Json, confidence: str | None) -> TargetLabel:
    attributes = label.get("attributes", [])
    numbers = [one for one in attributes if one["name"] == confidence and one["input_type"] == "number"]
    limits = None
    if numbers:
        least, most, step = (float(value) for value in numbers[0]["values"])
        limits = (numbers[0]["id"], least, most, step)
    return TargetLabel(label["id"], {one["id"]: one.get("default_value") or "" for one in attributes}, limits)
