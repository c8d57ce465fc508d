"""What a check found, how bad it is, and what to do about it."""

import re
from dataclasses import dataclass

OK = "ok"
NOTE = "note"
WARNING = "warning"
ERROR = "error"
SEVERITIES = (OK, NOTE, WARNING, ERROR)
# Where the remedy of a message begins; other sentences ("CVAT refuses others.") belong to what was found.
_REMEDY = re.compile(
    r"\. (?=(?:Add|Ask|Build|Check|Choose|Convert|Correct|Create|Deploy|Draw|Edit|Find|Fix|Give|Install|Leave|Look|Make"
    r"|Move|Name|Open|Pass|Put|Raise|Remove|Rename|Run|Send|Set|Start|Train|Try|Update|Use|Wait|Write):? )"
)


@dataclass(frozen=True)
class Finding:
    """One line of the report.

    Attributes:
        severity: "ok": looked at, nothing to do. "note": worth knowing. "warning": will hurt some day, or only
            some users. "error": something does not work because of it.
        where: What was looked at, in a few words.
        finding: What was found.
        remedy: What to type or to change; "" only where there is nothing to do.
    """

    severity: str
    where: str
    finding: str
    remedy: str = ""


def ok(where: str, finding: str) -> Finding:
    """Looked at, nothing to do."""
    return Finding(OK, where, finding)


def note(where: str, finding: str, remedy: str = "") -> Finding:
    """Worth knowing."""
    return Finding(NOTE, where, finding, remedy)


def warning(where: str, finding: str, remedy: str) -> Finding:
    """Will hurt some day, or only some users."""
    return Finding(WARNING, where, finding, remedy)


def error(where: str, finding: str, remedy: str) -> Finding:
    """Something does not work because of it."""
    return Finding(ERROR, where, finding, remedy)


def from_sentence(severity: str, where: str, sentence: str, otherwise: str) -> Finding:
    """Return the finding for an error message of this project, whose last sentences usually are the remedy.

    Args:
        severity: Of the finding.
        where: What was looked at; left out at the beginning of `sentence`.
        sentence: `<where>: <what was found>; expected <what>. <what to do>.`
        otherwise: The remedy if there is none in `sentence`.
    """
    text = sentence.removeprefix(f"{where}: ")
    found, *remedy = _REMEDY.split(text, maxsplit=1)
    return Finding(severity, where, f"{found}.", *remedy) if remedy else Finding(severity, where, text, otherwise)
