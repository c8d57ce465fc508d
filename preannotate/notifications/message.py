"""A message, and its text in the forms that mail and webhooks need."""

from dataclasses import dataclass, field
from pathlib import Path

from preannotate.core.errors import FileError, PreannotateError
from preannotate.core.files import read_json


class NotifyError(PreannotateError, ValueError):
    """A setting is wrong, or a message could not be delivered."""


@dataclass(frozen=True)
class Message:
    """News about a run; in any script, of any length.

    Attributes:
        title: One line, the subject of the e-mail.
        text: One or more sentences; an empty line separates paragraphs.
        link: Where to look; "" without one.
        facts: Name to value, shown as a table in this order.
        picture: An image file; one that is missing or broken is left out.
        failed: Whether it says that something failed.
    """

    title: str
    text: str
    link: str = ""
    facts: dict[str, str] = field(default_factory=dict)
    picture: Path | None = None
    failed: bool = False

    def plain(self) -> str:
        """Return all of it but the picture as plain text, for e-mail and for chat."""
        parts = [self.text.strip()]
        if self.facts:
            parts.append("\n".join(f"{name}: {value}" for name, value in self.facts.items()))
        if self.link:
            parts.append(self.link)
        return "\n\n".join(filter(None, parts))


def failure_message(name: str, reason: str, *, link: str = "") -> Message:
    """Return the message about a failed run; `reason` is whole sentences, with what to do."""
    return Message(f"{name}: the run failed", reason, link, failed=True)


def validation_picture(run: Path) -> Path | None:
    """Return a picture of detections from a RUN directory: the middle validation image with annotations, or None."""
    pictures = sorted((run / "overlays").glob("*.jpg"))
    try:
        truth = read_json(run / "export" / "validation" / "ground_truth.json")
        annotated = {Path(image["name"]).stem for image in truth["images"] if image["boxes"]}
    except (FileError, KeyError, TypeError):
        annotated = set()
    pictures = [picture for picture in pictures if picture.stem in annotated] or pictures
    return pictures[len(pictures) // 2] if pictures else None


def one_line(text: str) -> str:
    """Return any text as one line without control characters."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in _valid(text)).split())


def clean(text: str) -> str:
    """Return any text with no control characters but line ends and tabs."""
    lines = _valid(text).replace("\r\n", "\n").split("\n")
    return "\n".join(
        "".join(letter if letter.isprintable() or letter == "\t" else " " for letter in line) for line in lines
    )


def _valid(text: str) -> str:
    """Without halves of surrogate pairs, which no encoding can write."""
    return text.encode("utf-8", "replace").decode("utf-8")
