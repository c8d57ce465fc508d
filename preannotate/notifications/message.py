"""What is told."""

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Message:
    """One piece of news; any script, any length.

    Attributes:
        title: One line, the subject of the e-mail.
        text: One or more sentences; an empty line separates paragraphs.
        link: Where to look; "" if there is nothing to look at.
        facts: Name to value, shown as a table in this order.
        picture: An image file; one that is missing or broken is left out.
        failed: Whether it is bad news.
    """

    title: str
    text: str
    link: str = ""
    facts: dict[str, str] = field(default_factory=dict)
    picture: Path | None = None
    failed: bool = False

    def plain(self) -> str:
        """All of it but the picture as plain text, for e-mail and for chat."""
        parts = [self.text.strip()]
        if self.facts:
            parts.append("\n".join(f"{name}: {value}" for name, value in self.facts.items()))
        if self.link:
            parts.append(self.link)
        return "\n\n".join(filter(None, parts))
