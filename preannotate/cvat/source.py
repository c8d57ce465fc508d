"""`source.json`: what a person, or a program that comes later, wants to know about where the images come from."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from preannotate.cvat.dataset_folder import FORMAT
from preannotate.cvat.pull_scope import PullPlan, PullScope
from preannotate.cvat.selection import FrameSelection, FrameSelectionRules, SelectedFrame
from preannotate.cvat.server import Server
from preannotate.cvat.tasks import BOXLESS, has_boxes
from preannotate.formats.records import Shape


def describe_pull(
    server: Server,
    scope: PullScope,
    rules: FrameSelectionRules,
    plan: PullPlan,
    selection: FrameSelection,
    notes: Sequence[str],
) -> dict[str, Any]:
    """The content of `source.json`; no login, and the same for the same state of the server.

    Args:
        server: Where the frames come from.
        scope: What the user named.
        rules: What the user chose.
        plan: What the server has.
        selection: What was taken of it.
        notes: Whole sentences beside those of the plan.
    """
    frames = (*selection.training, *selection.validation)
    taken = Counter(frame.job.id for frame in frames)
    boxes = Counter(shape.label for frame in frames for shape in frame.shapes if _learnt(shape, rules))
    return {
        "format": FORMAT,
        "server": server.url,
        "version": server.version,
        "options": asdict(scope) | asdict(rules),
        "tasks": [
            {"id": task.id, "name": task.name, "video": task.video, "frames": task.size, "updated_date": task.updated}
            for task in plan.tasks
        ],
        "jobs": [
            {
                "id": job.id,
                "task": task.id,
                "type": job.type,
                "state": job.state,
                "stage": job.stage,
                "updated_date": job.updated,
                "taken": taken[job.id],
            }
            for task in plan.tasks
            for job in task.jobs
        ],
        "labels": [
            {"name": label.name, "color": label.color, "type": label.type, "boxes": boxes[label.name]}
            for label in plan.labels
        ],
        "training": _counts(selection.training),
        "validation": _counts(selection.validation),
        "left_out": dict(selection.left_out),
        "untouched_shapes": selection.untouched,
        "notes": [*notes, *plan.notes, *_boxless(plan, boxes)],
    }


def training_labels(source: dict[str, Any]) -> list[str]:
    """`--labels …` for `train`, which takes no label without a box; nothing if all that can have boxes have some.

    A name with a comma cannot be said there: the trainer then names the label that has no box.
    """
    names = [label["name"] for label in source["labels"] if label.get("boxes")]
    absent = any(label.get("boxes") == 0 and label["type"] not in BOXLESS for label in source["labels"])
    return ["--labels", ",".join(names)] if absent and not any("," in name for name in names) else []


def _learnt(shape: Shape, rules: FrameSelectionRules) -> bool:
    return shape.boxed and (rules.include_auto or not shape.automatic)


def _boxless(plan: PullPlan, boxes: Counter[str]) -> list[str]:
    return [
        f"label {label.name!r} has no box on the frames that are taken: nothing is learnt for it."
        for label in plan.labels
        if has_boxes(label) and not boxes[label.name]
    ]


def _counts(frames: Sequence[SelectedFrame]) -> dict[str, int]:
    negatives = sum(taken.negative for taken in frames)
    return {"annotated": len(frames) - negatives, "negatives": negatives}
