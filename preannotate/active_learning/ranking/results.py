"""The results of a ranking: a table for the terminal, `ranking.csv` and `ranking.json`."""

from pathlib import Path
from typing import NotRequired, TypedDict

from preannotate.active_learning.task_results import TaskResults, remarks
from preannotate.core.files import write_csv, write_json
from preannotate.core.text import columns, plural

CSV, JSON = "ranking.csv", "ranking.json"
FORMAT = 2


class RankedEntry(TypedDict):
    """A frame in `ranking.json`; `frame` is its relative number, `box` of a detection is xyxy in image pixels."""

    rank: int
    frame: int
    job: int
    image: str
    uncertainty: float
    diversity: float
    reasons: list[str]
    link: str
    detections: list[dict[str, object]]


class CreatedTask(TypedDict):
    """The new CVAT task; `existed` if an earlier command created it."""

    task: int
    link: str
    existed: bool


class Ranking(TaskResults):
    """The content of `ranking.json`."""

    candidates: int
    annotated: int
    frames: list[RankedEntry]
    created: NotRequired[CreatedTask]


def write_ranking(content: Ranking, output: Path) -> None:
    """Write both files."""
    write_json(output / JSON, content)
    header = ("rank", "frame", "job", "image", "uncertainty", "diversity")
    rows = (
        [*(dict(one)[name] for name in header), "; ".join(one["reasons"]), one["link"]] for one in content["frames"]
    )
    write_csv(output / CSV, [*header, "reasons", "link"], rows)


def table(content: Ranking) -> str:
    """Return the ranked frames as columns with an empty line below them; "" if there are none."""
    rows = [("RANK", "FRAME", "UNCERTAINTY", "LINK", "REASONS")]
    rows += [
        (str(one["rank"]), str(one["frame"]), f"{one['uncertainty']:.2f}", one["link"], "; ".join(one["reasons"]))
        for one in content["frames"]
    ]
    return f"{columns(rows)}\n\n" if content["frames"] else ""


def summary(content: Ranking, output: Path) -> str:
    """Return what was compared, what was left out, and where the files are; several lines."""
    lines = [
        f"task {content['task']} of {content['server']}: {len(content['frames'])} chosen of "
        f"{plural(content['candidates'], 'frame')} without annotations; "
        f"{plural(content['annotated'], 'annotated frame')}"
    ]
    lines += remarks(content)
    lines.append(f"written: {output / CSV}, {output / JSON}")
    if (created := content.get("created")) is not None:
        lines.append(f"{'task created earlier' if created['existed'] else 'new task'}: {created['link']}")
    return "\n".join(lines)
