"""What a ready model of the catalogue knows of a task's labels: something to begin with before anything is drawn."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from preannotate.core.text import join_list
from preannotate.cvat.label_types import shape_type
from preannotate.studio.catalogue import LabelSummary
from runtime.manifest import RECTANGLE
from trainer.coco_classes import COCO_CLASSES, coco_class_ids

# The fastest of those that a training starts from as well.
READY_MODEL = "coco-yolox-nano"


@dataclass(frozen=True)
class ReadyModel:
    """A model to begin with.

    Attributes:
        labels: Of the task, which it knows.
        command: Makes it answer with these labels, under the task's names.
    """

    labels: tuple[str, ...]
    command: str


def find_ready_model(labels: Sequence[LabelSummary], name: str) -> ReadyModel | None:
    """Return a ready model for labels of a task that take boxes; None if it knows none of them.

    Args:
        labels: Of the task.
        name: Of the model that is made: that of the training that may follow, which is then its second version.
    """
    names = [label.name for label in labels if shape_type(RECTANGLE, label.type)]
    by_class: dict[int, str] = {}
    for index, number in coco_class_ids(names).items():
        by_class.setdefault(number, names[index])
    if not by_class:
        return None
    only = [COCO_CLASSES[number] for number in by_class]
    renamed = [f"{old}={new}" for old, new in zip(only, by_class.values(), strict=True) if old != new]
    words = ["preannotate", "get", READY_MODEL, "--name", name, "--only", join_list(only)]
    words += ["--rename", join_list(renamed)] if renamed else []
    return ReadyModel(tuple(by_class.values()), shlex.join(words))
