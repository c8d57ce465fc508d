"""The trainer's arguments as a form, from the trainer's own table and defaults."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from preannotate.studio.families import Family, families
from trainer.arguments.sources import RIVALS, parse_arguments
from trainer.arguments.table import ALPHAS, ARGUMENTS, AUGMENTS, PRECISIONS, format_short, parse_value
from trainer.config import RequestedConfig
from trainer.recommendation import FAST
from trainer.request import AUTO, NONE

# Arguments that people change most; the form shows the others below.
COMMON = ("epochs", "max_minutes", "batch_size", "image_size", "alpha", "augment", "validation_fraction")
_CHOICES = {"augment": AUGMENTS, "precision": PRECISIONS, "alpha": tuple(f"{value:g}" for value in ALPHAS)}
WHERE = "arguments"


class FieldKind(StrEnum):
    """The kind of value of a field."""

    NUMBER = "number"
    INTEGER = "integer"
    BOOLEAN = "boolean"  # "true" or "false"
    CHOICE = "choice"
    TEXT = "text"


_KINDS: dict[Any, FieldKind] = {
    int: FieldKind.INTEGER,
    float: FieldKind.NUMBER,
    bool: FieldKind.BOOLEAN,
    str: FieldKind.TEXT,
}


@dataclass(frozen=True)
class ArgumentField:
    """The field of a training argument.

    Attributes:
        default: For the model and the number of images, as text.
        choices: Of a `CHOICE`; else empty.
        help: Its meaning, one line.
        expected: Its possible values: "a whole number from 0 on".
        common: Whether it is one of `COMMON`.
    """

    name: str
    kind: FieldKind
    default: str
    choices: tuple[str, ...]
    help: str
    expected: str
    common: bool


def argument_fields(model: str, images: int, *, base_model: str = AUTO) -> list[ArgumentField]:
    """Return the fields of all arguments with their defaults, the common ones first.

    Args:
        model: Its name; "auto" shows the defaults of the fast model.
        images: Number of images, for training and validation together.
        base_model: "none" is random weights; everything else is pretrained.
    """
    family = families().get(model) or families()[FAST]
    defaults = _defaults(family, images, pretrained=base_model != NONE)
    fields = [_field(name, defaults) for name in ARGUMENTS]
    return sorted(fields, key=lambda field: COMMON.index(field.name) if field.common else len(COMMON))


def assemble_arguments(values: Mapping[str, str], text: str, fields: Sequence[ArgumentField]) -> str:
    """Return the value of `--arguments`: values that differ from the defaults, then the text, which overrides them.

    Empty values and unknown names are skipped; TrainingError is raised for an impossible value.
    """
    free = parse_arguments(text, where=WHERE)
    changed = []
    for field in fields:
        value = values.get(field.name, "").strip()
        if not value or {field.name, RIVALS.get(field.name)} & set(free):
            continue
        if format_short(field.name, parse_value(field.name, value, where=WHERE)) != field.default:
            changed.append(f"{field.name}={value}")
    joined = ",".join([*changed, *_parts(text)])
    parse_arguments(joined, where=WHERE)
    return joined


def _defaults(family: Family, images: int, *, pretrained: bool) -> dict[str, Any]:
    """Return the values that a run would use, as far as they are known before the images are downloaded."""
    own, config = family.defaults, dataclasses.asdict(RequestedConfig())
    training = max(1, round(images * (1 - config["validation_fraction"])))
    return config | {
        **own.of_model(pretrained=pretrained),
        "epochs": own.epochs(training, pretrained=pretrained),
        "batch_size": own.batch_size,
        "alpha": family.alpha if pretrained else family.alpha_from_scratch,
    }


def _field(name: str, defaults: Mapping[str, Any]) -> ArgumentField:
    argument = ARGUMENTS[name]
    return ArgumentField(
        name=name,
        kind=FieldKind.CHOICE if name in _CHOICES else _KINDS[argument.type],
        default=format_short(name, defaults[name]),
        choices=_CHOICES.get(name, ()),
        help=argument.meaning.replace("`", ""),
        expected=argument.choices,
        common=name in COMMON,
    )


def _parts(text: str) -> list[str]:
    """Split the text of `--arguments` into its parts, without comments."""
    lines = (line.split("#", 1)[0] for line in text.splitlines())
    return [part.strip() for part in ",".join(lines).replace(";", ",").split(",") if part.strip()]
