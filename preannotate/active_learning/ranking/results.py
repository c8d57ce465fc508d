"""The results of a ranking: a table for the terminal, `ranking.csv` and `ranking.json`."""

from pathlib import Path
from typing import NotRequired, TypedDict

from preannotate.core.csv_files import write_csv
from preannotate.core.files import write_json
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


class Ranking(TypedDict):
    """The content of `ranking.json`; `left_out` is reason to number of frames, `unreadable` frame to reason."""

    format: int
    server: str
    task: int
    function: str
    fingerprint: str
    candidates: int
    annotated: int
    left_out: dict[str, int]
    unreadable: dict[str, str]
    notes: list[str]
    frames: list[RankedEntry]
    created: NotRequired[CreatedTask]


def write_ranking(content: Ranking, output: Path) -> None:
    """Write both files."""
    output.mkdir(parents=True, exist_ok=True)
    write_json(output / JSON, content)
    header = ("rank", "frame", "job", "image", "uncertainty", "diversity")
    rows = (
        [*(dict(one)[name] for name in header), "; ".join(one["reasons"]), one["link"]] for one in content["frames"]
    )
    write_csv(output / CSV, [*header, "reasons", "link"], rows)


def table(content: Ranking) -> str:
    """Return the ranked frames as columns."""
    rows = [("RANK", "FRAME", "UNCERTAINTY", "LINK", "REASONS")]
    rows += [
        (str(one["rank"]), str(one["frame"]), f"{one['uncertainty']:.2f}", one["link"], "; ".join(one["reasons"]))
        for one in content["frames"]
    ]
    return columns(rows)


def summary(content: Ranking, output: Path) -> str:
    """Return what was compared, what was left out, and where the files are; several lines."""
    lines = [
        f"task {content['task']} of {content['server']}: {len(content['frames'])} chosen of "
        f"{plural(content['candidates'], 'frame')} without annotations; "
        f"{plural(content['annotated'], 'annotated frame')}"
    ]
    lines += [f"left out: {plural(count, 'frame')} {reason}" for reason, count in content["left_out"].items()]
    lines += [f"not readable: frame {frame}: {reason}" for frame, reason in content["unreadable"].items()]
    lines += [f"note: {note}" for note in content["notes"]]
    lines.append(f"written: {output / CSV}, {output / JSON}")
    if (created := content.get("created")) is not None:
        lines.append(f"{'task created earlier' if created['existed'] else 'new task'}: {created['link']}")
    return "\n".join(lines)
