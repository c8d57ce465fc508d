"""What a review says: a table on the terminal, `review.csv`, `review.json` and `review.html`."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from preannotate.active_learning.review.disagreements import TITLES
from preannotate.core.csv_files import write_csv
from preannotate.core.files import replacing

CSV, JSON, HTML = "review.csv", "review.json", "review.html"
FORMAT = 1
_COLUMNS = ("rank", "kind", "likelihood", "frame", "job", "image", "label", "model_label", "score", "iou")
_ON_TERMINAL = 20


def write_review(content: Mapping[str, Any], page: str, output: Path) -> None:
    """Write all three files."""
    output.mkdir(parents=True, exist_ok=True)
    text = json.dumps(content, ensure_ascii=False, indent=1) + "\n"
    for name, written in ((JSON, text), (HTML, page)):
        with replacing(output / name) as temporary:
            temporary.write_text(written, encoding="utf-8")
    rows = (
        [*(one[name] for name in _COLUMNS), "yes" if one["learnt"] else "", one["text"], one["link"]]
        for one in content["disagreements"]
    )
    write_csv(output / CSV, [*_COLUMNS, "trained_on", "text", "link"], rows)


def table(content: Mapping[str, Any]) -> str:
    """The likeliest ones as columns."""
    rows = [("RANK", "KIND", "LIKELY", "LINK", "WHAT")]
    rows += [
        (str(one["rank"]), TITLES[one["kind"]], f"{one['likelihood']:.2f}", one["link"], one["text"])
        for one in content["disagreements"][:_ON_TERMINAL]
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return "\n".join(
        "  ".join([*(cell.ljust(w) for cell, w in zip(row, widths, strict=False)), row[4]]) for row in rows
    )


def summary(content: Mapping[str, Any], output: Path) -> str:
    """What was compared, what was found, and where the files are; several lines."""
    total = len(content["disagreements"])
    kinds = ", ".join(_count(content["kinds"][kind], TITLES[kind]) for kind in TITLES if content["kinds"][kind])
    lines = [
        f"task {content['task']} of {content['server']}: {_count(content['frames'], 'frame')} with "
        f"{_count(content['boxes'], 'box')} compared, {_count(total, 'disagreement')}{f': {kinds}' if kinds else ''}"
    ]
    lines += [f"left out: {_count(count, 'frame')} {reason}" for reason, count in content["left_out"].items()]
    lines += [f"not read: frame {frame}: {reason}" for frame, reason in content["unreadable"].items()]
    lines += [f"note: {note}" for note in content["notes"]]
    if (issues := content.get("issues")) is not None:
        lines.append(f"issues in CVAT: {issues['made']} new, {issues['there']} were there")
    lines.append(f"written: {output / HTML}, {output / CSV}, {output / JSON}")
    return "\n".join(lines)


def _count(number: int, word: str) -> str:
    if number == 1:
        return f"1 {word}"
    return f"{number} {word}{'es' if word.endswith('x') else 's'}"
