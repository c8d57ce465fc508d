"""Numbers, durations, lists and tables as text for people."""

import csv
import io
import re
import textwrap
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

NOT_MEASURED = "not measured"
_GAP = "  "
# Of the last column, which is wrapped: a terminal may be narrower than the others together.
_MIN_WIDTH = 30
_DURATION_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)", re.ASCII)
_DURATION = re.compile(rf"(?:{_DURATION_PART.pattern})+", re.ASCII)
# Control characters, marks that turn the direction of writing, halves of letters, private ones, line separators.
_UNPRINTABLE = ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")
# Colours and cursor movements of terminals, and other control characters except tabs and line ends.
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b[@-_]|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_JOINERS = "\u200c\u200d"  # belong to words of Persian and Hindi, and to emoji


def plural(count: int, noun: str, plural_noun: str = "") -> str:
    """Return a number with its noun: "1 box", "2 boxes", "0 images"; the plural is the noun with an s if not given."""
    return f"{count} {noun if count == 1 else plural_noun or noun + 's'}"


def parse_duration(text: str) -> float | None:
    """Return a duration as Go writes it (`50s`, `1m30s`, `500ms`) in seconds, above 0; None if `text` is none."""
    if not _DURATION.fullmatch(text):
        return None
    total = sum(float(number) * _DURATION_UNITS[unit] for number, unit in _DURATION_PART.findall(text))
    return total if 0 < total < float("inf") else None


def format_duration(value: float) -> str:
    """Return seconds for people: "45 s", "12 min", "2 h 5 min", "3 days"."""
    if value < 100:
        return f"{value:.0f} s"
    minutes = round(value / 60)
    if minutes < 100:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min" if minutes < 48 * 60 else f"{round(minutes / 1440)} days"


def format_scores(map50: float | None, mean_ap: float | None, decimals: int = 3) -> str:
    """Return both of COCO's scores, which belong together: "mAP50 0.917, mAP 0.612".

    mAP50 counts a box as right from an IoU of 0.50 on and so hides loose boxes, which people correct; mAP is the mean
    over 0.50 to 0.95.
    """
    return f"mAP50 {format_score(map50, decimals)}, mAP {format_score(mean_ap, decimals)}"


def format_score(value: float | None, decimals: int = 3) -> str:
    """Return a score as "0.917"; "not measured" for None and for COCO's -1 of a class without boxes."""
    return NOT_MEASURED if value is None or value < 0 else f"{value:.{decimals}f}"


def first_of(names: Sequence[str], shown: int = 5) -> str:
    """Return the first names, and how many more there are: "a, b, c and 4 more"; each as `printable` shows it."""
    text = ", ".join(printable(name) for name in names[:shown])
    return text if len(names) <= shown else f"{text} and {len(names) - shown} more"


def printable(text: str, limit: int = 300) -> str:
    r"""Return a stranger's text as it can be shown in a line of a message, a log or a terminal.

    Line ends, escape sequences of terminals and marks of direction are written as Python writes them ("\n", "\x1b"),
    and what is longer than `limit` characters is cut, with "…" at its end.
    """
    short = text if len(text) <= limit else text[: limit - 1] + "…"
    if short.isprintable():
        return short
    return "".join(_escaped(letter) for letter in short)


def without_escapes(text: str) -> str:
    """Return what another program wrote for a terminal, without colours and cursor movements."""
    return _ESCAPES.sub("", text)


def _escaped(letter: str) -> str:
    if letter in _JOINERS or unicodedata.category(letter) not in _UNPRINTABLE:
        return letter
    return letter.encode("unicode_escape").decode("ascii")


def split_list(text: str) -> list[str]:
    """Return the items of a list with commas, without spaces around them; quoted as in CSV, one may hold a comma.

    Raises:
        ValueError: A quotation mark that is not closed.
    """
    rows = csv.reader([text], skipinitialspace=True, strict=True)
    try:
        return [item for row in rows for word in row if (item := word.strip())]
    except csv.Error as error:
        raise ValueError(str(error)) from error


def join_list(items: Sequence[str]) -> str:
    """Return the text that `split_list` turns into these items."""
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(items)
    return text.getvalue()


def columns(rows: Sequence[Sequence[str]]) -> str:
    """Return rows of cells as lines with aligned columns; the last column may be of any length."""
    rows = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (_GAP.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


@dataclass(frozen=True)
class Table:
    """A table for a terminal and for a page of the documentation; the last column may hold sentences."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]

    def markdown(self) -> str:
        """Return it as Markdown, the first column as code."""
        lines = [self.header, ["---"] * len(self.header), *([f"`{row[0]}`", *row[1:]] for row in self.rows)]
        return "\n".join(f"| {' | '.join(line)} |" if line[0] != "---" else f"|{'|'.join(line)}|" for line in lines)

    def plain(self, width: int = 120) -> str:
        """Return lines of up to `width` characters, without Markdown's marks."""
        lines = [[cell.replace("`", "") for cell in line] for line in (self.header, *self.rows)]
        widths = [max(len(line[column]) for line in lines) for column in range(len(self.header) - 1)]
        indent = sum(widths) + len(_GAP) * len(widths)
        texts = []
        for *cells, last in lines:
            start = "".join(cell.ljust(size) + _GAP for cell, size in zip(cells, widths, strict=True))
            wrapped = textwrap.wrap(last, max(width - indent, _MIN_WIDTH)) or [""]
            texts += [(start + wrapped[0]).rstrip(), *(" " * indent + more for more in wrapped[1:])]
        return "\n".join(texts)
