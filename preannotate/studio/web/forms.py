"""What a form shows again after an error: its values without secrets, and an error at each field."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from preannotate.studio.web.page_request import PageRequest

# Errors of the command line begin with a flag, which a page does not have.
_FLAG = re.compile(r"^--([a-z-]+): ")


@dataclass
class Form:
    """Values and errors of a form's fields.

    Attributes:
        values: Name to text; of boxes "on" or "".
        errors: Name to sentence; the name "" is the form as a whole.
    """

    values: dict[str, str] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)

    @classmethod
    def submitted(cls, request: PageRequest, names: Iterable[str], *, boxes: Iterable[str] = ()) -> "Form":
        """Return a submitted form; `names` must not include secrets."""
        values = {name: request.field(name) for name in names}
        return cls(values | {name: "on" if request.checked(name) else "" for name in boxes})

    @classmethod
    def initial(cls, **values: Any) -> "Form":
        """Return a form with its initial values."""
        return cls({name: _text(value) for name, value in values.items()})

    def add_error(self, name: str, sentence: object) -> None:
        """Add an error to a field that has none yet."""
        self.errors.setdefault(
            name, _FLAG.sub(lambda match: f"{match[1].replace('-', ' ').capitalize()}: ", str(sentence))
        )

    def whole_number(self, name: str, label: str, *, least: int, most: int) -> int:
        """Return the whole number in a field; add an error and return `least` if it is not one in the range."""
        text = self.values[name]
        if text.isascii() and text.isdecimal() and least <= int(text[:18]) <= most:
            return int(text)
        self.add_error(name, f"{label}: {text!r}; expected a whole number from {least} to {most}.")
        return least


def _text(value: object) -> str:
    return "on" if value is True else "" if value in (False, None) else str(value)
