"""What a ranking says: a table on the terminal, `ranking.csv` and `ranking.json`."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from preannotate.core.csv_files import write_csv
from preannotate.core.files import replacing

CSV, JSON = "ranking.csv", "ranking.json"
FORMAT = 1
_COLUMNS = ("rank", "frame", "job", "image", "doubt", "spread", "why", "link")


def write_ranking(content: Mapping[str, Any], output: Path) -> None:
    """Write both files."""
    output.mkdir(parents=True, exist_ok=True)
    with replacing(output / JSON) as temporary:
        temporary.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    rows = (
        [*(frame[name] for name in _COLUMNS[:6]), "; ".join(frame["why"]), frame["link"]] for frame in frames(content)
    )
    write_csv(output / CSV, _COLUMNS, rows)


def frames(content: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """The ranked frames."""
    return content["frames"]


def table(content: Mapping[str, Any]) -> str:
    """Columns for the terminal."""
    rows = [("RANK", "FRAME", "DOUBT", "LINK", "WHY")]
    rows += [
        (str(one["rank"]), str(one["frame"]), f"{one['doubt']:.2f}", one["link"], "; ".join(one["why"]))
        for one in frames(content)
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return "\n".join(
        "  ".join([*(cell.ljust(w) for cell, w in zip(row, widths, strict=False)), row[4]]) for row in rows
    )


def summary(content: Mapping[str, Any], output: Path) -> str:
    """What was looked at, what was passed over, and where the files are; several lines."""
    lines = [
        f"task {content['task']} of {content['server']}: {_frames(content['candidates'])} without annotations looked "
        f"at, {content['annotated']} annotated; {len(frames(content))} chosen"
    ]
    lines += [f"passed over: {_frames(count)} {reason}" for reason, count in content["passed_over"].items()]
    lines += [f"not read: frame {frame}: {reason}" for frame, reason in content["unreadable"].items()]
    lines += [f"note: {note}" for note in content["notes"]]
    lines.append(f"written: {output / CSV}, {output / JSON}")
    return "\n".join(lines)


def _frames(count: int) -> str:
    return f"{count} frame{'' if count == 1 else 's'}"
