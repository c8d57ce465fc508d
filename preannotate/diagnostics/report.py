"""The findings on paper: aligned text for people, JSON for programs."""

import json
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from preannotate.core.text import plural
from preannotate.diagnostics.finding import ERROR, SEVERITIES, WARNING, Finding

_WIDTH = 110
_INDENT = max(len(severity) for severity in SEVERITIES) + 4
_SIGNS = {"ok": "ok", "note": "note", "warning": "warning", "error": "ERROR"}


def as_text(findings: Mapping[str, Sequence[Finding]]) -> str:
    """A paragraph for each area, and how many errors and warnings there are.

    Args:
        findings: Those of each area, in the order of the report.
    """
    lines = []
    for area, found in findings.items():
        lines += [f"{area[:1].upper()}{area[1:]}", *(line for finding in found for line in _lines(finding)), ""]
    everything = [finding for found in findings.values() for finding in found]
    return "\n".join([*lines, _summary(everything)])


def as_json(findings: Mapping[str, Sequence[Finding]]) -> str:
    """The same as JSON: a list of findings, with the number of each severity."""
    everything: list[dict[str, Any]] = [
        {"area": area, **vars(finding)} for area, found in findings.items() for finding in found
    ]
    counts = {severity: sum(item["severity"] == severity for item in everything) for severity in SEVERITIES}
    return json.dumps({"counts": counts, "findings": everything}, indent=2, ensure_ascii=False)


def _lines(finding: Finding) -> list[str]:
    """The finding behind its severity, and the remedy below it."""
    first = f"  {_SIGNS[finding.severity]:{_INDENT - 2}}"
    lines = _wrapped(f"{finding.where}: {finding.finding}", first)
    return lines + _wrapped(finding.remedy, " " * _INDENT + "-> ") if finding.remedy else lines


def _wrapped(text: str, first: str) -> list[str]:
    # Paths, URLs and commands stay whole, so that they can be copied.
    wrapper = textwrap.TextWrapper(
        _WIDTH,
        initial_indent=first,
        subsequent_indent=" " * len(first),
        break_long_words=False,
        break_on_hyphens=False,
    )
    return wrapper.wrap(text)


def _summary(findings: Sequence[Finding]) -> str:
    errors, warnings = (sum(finding.severity == severity for finding in findings) for severity in (ERROR, WARNING))
    if not errors and not warnings:
        return "Nothing wrong was found."
    return f"{plural(errors, 'error')}, {plural(warnings, 'warning')}."
