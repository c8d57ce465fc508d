"""The trainer's arguments as a form: from the table and the defaults that the trainer itself uses."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

NUMBER, WHOLE, TRUTH, CHOICE, TEXT = "number", "whole", "truth", "choice", "text"


@dataclass(frozen=True)
class Field:
    """One argument.

    Attributes:
        name: Of the argument.
        kind: `NUMBER`, `WHOLE`, `TRUTH` (values "true" and "false"), `CHOICE` or `TEXT`.
        default: What happens if nothing is said, for this model and number of images; as text.
        choices: Of a `CHOICE`; else empty.
        help: What it means, one line.
        expected: What it may be: "a whole number from 0 on".
        common: Whether most people who change anything change this one: shown first.
    """

    name: str
    kind: str
    default: str
    choices: tuple[str, ...]
    help: str
    expected: str
    common: bool


def form(model: str, images: int, *, base_model: str = "imagenet") -> list[Field]:
    """All arguments with the defaults filled in.

    Args:
        model: Name of a model, or "auto".
        images: That are taken for training.
        base_model: "none" is random weights; everything else is pretrained.
    """
    raise NotImplementedError


def assemble(values: Mapping[str, str], text: str, fields: list[Field]) -> str:
    """What `--arguments` gets: values of the form that differ from the defaults, then the free text, which wins.

    Args:
        values: Of the form, by name; names that are not in `fields` are passed over, empty ones are not said.
        text: Of the free field.
        fields: Of `form`.

    Raises:
        TrainingError: An impossible value, in the trainer's own sentence.
    """
    raise NotImplementedError


def checked(text: str) -> dict[str, Any]:
    """The values in the free text field, read by the trainer's own parser.

    Raises:
        TrainingError: As the command line would say it.
    """
    raise NotImplementedError
