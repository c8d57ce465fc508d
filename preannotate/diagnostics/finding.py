"""What a check found, how bad it is, and what to do about it; the report as text or JSON."""

import json
import re
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from preannotate.core.text import plural

# Where the remedy of a message begins; other sentences ("CVAT refuses others.") belong to what was found.
_REMEDY = re.compile(
    r"\. (?=(?:Add|Ask|Build|Check|Choose|Convert|Correct|Create|Deploy|Draw|Edit|Find|Fix|Give|Install|Leave|Look|Make"
    r"|Move|Name|Open|Pass|Put|Raise|Remove|Rename|Run|Send|Set|Start|Train|Try|Update|Use|Wait|Write):? )"
)
_WIDTH = 110


class Severity(StrEnum):
    """How bad a finding is, from checked and fine to something that does not work because of it."""

    OK = "ok"
    NOTE = "note"  # worth knowing
    WARNING = "warning"  # will fail some day, or for some users
    ERROR = "error"


_INDENT = max(map(len, Severity)) + 4


@dataclass(frozen=True)
class Finding:
    """One line of the report.

    Attributes:
        severity: See there.
        where: What was checked, in a few words.
        finding: What was found.
        remedy: What to type or to change; "" only where there is nothing to do.
    """

    severity: Severity
    where: str
    finding: str
    remedy: str = ""


def ok(where: str, finding: str) -> Finding:
    """Return a finding that needs no action."""
    return Finding(Severity.OK, where, finding)


def note(where: str, finding: str, remedy: str = "") -> Finding:
    """Return a finding that is worth knowing."""
    return Finding(Severity.NOTE, where, finding, remedy)


def warning(where: str, finding: str, remedy: str) -> Finding:
    """Return a finding that will fail some day, or for some users."""
    return Finding(Severity.WARNING, where, finding, remedy)


def error(where: str, finding: str, remedy: str) -> Finding:
    """Return a finding because of which something does not work."""
    return Finding(Severity.ERROR, where, finding, remedy)


def error_from_sentence(where: str, sentence: str, otherwise: str) -> Finding:
    """Return the finding for an error message of this project, whose last sentences usually are the remedy.

    Args:
        where: What was checked; left out at the beginning of `sentence`. If it is empty, the sentence begins with it.
        sentence: `<where>: <what was found>; expected <what>. <what to do>.`
        otherwise: The remedy if there is none in `sentence`.
    """
    if not where:
        where, _, sentence = sentence.partition(": ")
    text = sentence.removeprefix(f"{where}: ")
    found, *remedy = _REMEDY.split(text, maxsplit=1)
    return error(where, f"{found}.", *remedy) if remedy else error(where, text, otherwise)


def format_text(findings: Mapping[str, Sequence[Finding]]) -> str:
    """Return a paragraph for each area, and how many errors and warnings there are."""
    lines = []
    for area, found in findings.items():
        lines += [f"{area[:1].upper()}{area[1:]}", *(line for finding in found for line in _lines(finding)), ""]
    severities = [finding.severity for found in findings.values() for finding in found]
    errors, warnings = severities.count(Severity.ERROR), severities.count(Severity.WARNING)
    summary = f"{plural(errors, 'error')}, {plural(warnings, 'warning')}."
    return "\n".join([*lines, summary if errors or warnings else "Nothing wrong was found."])


def format_json(findings: Mapping[str, Sequence[Finding]]) -> str:
    """Return a list of findings, with the number of each severity."""
    everything: list[dict[str, Any]] = [
        {"area": area, **vars(finding)} for area, found in findings.items() for finding in found
    ]
    counts = {severity: sum(item["severity"] == severity for item in everything) for severity in Severity}
    return json.dumps({"counts": counts, "findings": everything}, indent=2, ensure_ascii=False)


def _lines(finding: Finding) -> list[str]:
    """The finding behind its severity, and the remedy below it."""
    severity = "ERROR" if finding.severity == Severity.ERROR else finding.severity
    lines = _wrapped(f"{finding.where}: {finding.finding}", f"  {severity:{_INDENT - 2}}")
    return lines + _wrapped(finding.remedy, " " * _INDENT + "-> ") if finding.remedy else lines


def _wrapped(text: str, first: str) -> list[str]:
    # Paths, URLs and commands stay whole, so that they can be copied.
    indent = " " * len(first)
    return textwrap.wrap(
        text, _WIDTH, initial_indent=first, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
