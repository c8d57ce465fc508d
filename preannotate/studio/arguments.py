"""The trainer's arguments as a form: from the table and the defaults that the trainer itself uses."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from preannotate.studio.families import Family, families
from trainer.arguments.sources import RIVALS, parse_arguments
from trainer.arguments.table import ALPHAS, ARGUMENTS, AUGMENTS, PRECISIONS, format_value, parse_value
from trainer.config import RequestedConfig
from trainer.recommendation import FAST

NUMBER, WHOLE, TRUTH, CHOICE, TEXT = "number", "whole", "truth", "choice", "text"
# What people change; the rest is for those who know.
COMMON = ("epochs", "max_minutes", "batch_size", "image_size", "alpha", "augment", "validation_fraction")
_CHOICES = {"augment": AUGMENTS, "precision": PRECISIONS, "alpha": tuple(f"{value:g}" for value in ALPHAS)}
_KINDS: dict[Any, str] = {int: WHOLE, float: NUMBER, bool: TRUTH, str: TEXT}
WHERE = "arguments"


@dataclass(frozen=True)
class ArgumentField:
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


def argument_fields(model: str, images: int, *, base_model: str = "imagenet") -> list[ArgumentField]:
    """All arguments with the defaults filled in.

    Args:
        model: Name of a model, or "auto", for which those of the usual model are shown.
        images: That are taken, of which a part validates.
        base_model: "none" is random weights; everything else is pretrained.
    """
    family = families().get(model) or families()[FAST]
    defaults = _defaults(family, images, pretrained=base_model != "none")
    fields = [_field(name, defaults) for name in ARGUMENTS]
    return sorted(fields, key=lambda field: COMMON.index(field.name) if field.common else len(COMMON))


def assemble_arguments(values: Mapping[str, str], text: str, fields: Sequence[ArgumentField]) -> str:
    """What `--arguments` gets: values of the form that differ from the defaults, then the free text, which wins.

    Args:
        values: Of the form, by name; names that are not in `fields` are passed over, empty ones are not said.
        text: Of the free field.
        fields: Of `form`.

    Raises:
        TrainingError: An impossible value, in the trainer's own sentence.
    """
    free = parse_arguments(text, where=WHERE)
    said = []
    for field in fields:
        value = values.get(field.name, "").strip()
        if not value or {field.name, RIVALS.get(field.name)} & set(free):
            continue
        if not _same(field, parse_value(field.name, value, where=WHERE)):
            said.append(f"{field.name}={value}")
    joined = ",".join([*said, *_parts(text)])
    parse_arguments(joined, where=WHERE)
    return joined


def _defaults(family: Family, images: int, *, pretrained: bool) -> dict[str, Any]:
    """What a run would do, as far as it is known before the images are there."""
    own, config = family.defaults, dataclasses.asdict(RequestedConfig())
    training = max(1, round(images * (1 - config["validation_fraction"])))
    return config | {
        "epochs": own.epochs(training, pretrained=pretrained),
        "batch_size": own.batch_size,
        "initial_learning_rate": own.learning_rate(pretrained=pretrained),
        "backbone_learning_rate": own.backbone_learning_rate if pretrained else 1.0,
        "freeze": own.freeze if pretrained else 0,
        "alpha": family.alpha if pretrained else family.alpha_from_scratch,
    }


def _field(name: str, defaults: Mapping[str, Any]) -> ArgumentField:
    argument = ARGUMENTS[name]
    return ArgumentField(
        name=name,
        kind=CHOICE if name in _CHOICES else _KINDS[argument.type],
        default=_text(name, defaults[name]),
        choices=_CHOICES.get(name, ()),
        help=argument.meaning.replace("`", ""),
        expected=argument.choices,
        common=name in COMMON,
    )


def _text(name: str, value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else format_value(name, value)


def _same(field: ArgumentField, value: Any) -> bool:
    return _text(field.name, value) == field.default


def _parts(text: str) -> list[str]:
    """The free text without comments, so that it can stand behind other arguments on one line."""
    lines = (line.split("#", 1)[0] for line in text.splitlines())
    return [part.strip() for part in ",".join(lines).replace(";", ",").split(",") if part.strip()]
