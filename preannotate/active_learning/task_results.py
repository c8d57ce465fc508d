"""What requests and results of `rank` and `review` have in common."""

from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from builder.function_directory import FunctionDirectory
from preannotate.core.text import plural


@dataclass(frozen=True)
class FunctionOnTask:
    """A function to run on a CVAT task; `output` is the folder for results and kept detections.

    `top` is the number of frames to choose, or of disagreements on the page and of issues; None for `workers` uses as
    many as are worth starting.
    """

    task: int
    function: FunctionDirectory
    output: Path
    top: int = 50
    workers: int | None = None


class TaskResults(TypedDict):
    """The common part of `ranking.json` and `review.json`.

    `left_out` is reason to number of frames, `unreadable` frame to reason; `notes` are whole sentences.
    """

    format: int
    server: str
    task: int
    function: str
    fingerprint: str
    left_out: dict[str, int]
    unreadable: dict[str, str]
    notes: list[str]


def remarks(results: TaskResults) -> list[str]:
    """Return a line for everything that a person should know beside the results."""
    return [
        *(f"left out: {plural(count, 'frame')} {reason}" for reason, count in results["left_out"].items()),
        *(f"not readable: frame {frame}: {reason}" for frame, reason in results["unreadable"].items()),
        *(f"note: {note}" for note in results["notes"]),
    ]
