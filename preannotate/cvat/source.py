"""`source.json`: what a person, or a program that comes later, wants to know about where the images come from."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from preannotate.cvat.folder import FORMAT
from preannotate.cvat.plan import Asked, Plan
from preannotate.cvat.selection import Rules, Selection, TakenFrame


def describe(
    url: str, version: str, asked: Asked, rules: Rules, plan: Plan, selection: Selection, notes: Sequence[str]
) -> dict[str, Any]:
    """The content of `source.json`; no login, and the same for the same state of the server.

    Args:
        url: Of the server.
        version: Of the server.
        asked: What the user named.
        rules: What the user chose.
        plan: What the server has.
        selection: What was taken of it.
        notes: Whole sentences beside those of the plan.
    """
    taken = Counter(taken.job.id for taken in (*selection.training, *selection.validation))
    return {
        "format": FORMAT,
        "server": url,
        "version": version,
        "asked": asdict(asked) | asdict(rules),
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
        "labels": [{"name": label.name, "color": label.color, "type": label.type} for label in plan.labels],
        "training": _counts(selection.training),
        "validation": _counts(selection.validation),
        "left_out": dict(selection.left_out),
        "untouched_shapes": selection.untouched,
        "notes": [*notes, *plan.notes],
    }


def _counts(frames: Sequence[TakenFrame]) -> dict[str, int]:
    negatives = sum(taken.negative for taken in frames)
    return {"annotated": len(frames) - negatives, "negatives": negatives}
