"""Arguments and their defaults as tables: `preannotate arguments` and docs/training.md."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from preannotate.core.text import Table
from trainer.arguments.defaults import MIN_EPOCHS, Defaults
from trainer.arguments.sources import PAIRS, SYNONYMS
from trainer.arguments.table import ARGUMENTS, format_value
from trainer.config import RequestedConfig

if TYPE_CHECKING:
    from trainer.models.family import ModelFamily

# Numbers of training images for which the table shows epochs.
EXAMPLES = (10, 30, 100, 300, 1000, 5000)
_FORMS = {"{}x{}": "WIDTHxHEIGHT", "{}-{}": "MIN-MAX"}
_FROM_MODEL = (
    "batch_size",
    "image_size",
    "initial_learning_rate",
    "backbone_learning_rate",
    "weight_decay",
    "frozen_part",
    "freeze",
    "freeze_statistics",
)
_STARTS = {"pretrained": True, "random": False}


def tables(models: Mapping[str, "ModelFamily"]) -> dict[str, Table]:
    """Return the tables by their headings; `models` as in `MODELS`."""
    return {
        "All arguments": _arguments(),
        "Other names": _synonyms(),
        "By model": _by_model(models),
        f"Epochs by training images: as many as the steps make, at least {MIN_EPOCHS}": _by_images(models),
    }


def _arguments() -> Table:
    rows = [
        (name, format_value(name, getattr(RequestedConfig(), name)), argument.meaning)
        for name, argument in ARGUMENTS.items()
    ]
    return Table(("name", "default", "meaning"), rows)


def _synonyms() -> Table:
    pairs = [(" with ".join(names), f"image_size={_FORMS[form]}") for form, names in PAIRS.items()]
    return Table(("name", "is"), [*SYNONYMS.items(), *pairs])


def _by_model(models: Mapping[str, "ModelFamily"]) -> Table:
    rows = []
    for name, family in models.items():
        defaults, backbone = family.defaults, family.backbone
        rows += [
            (
                name,
                start,
                str(defaults.batch_size),
                f"{defaults.side}x{defaults.side}",
                f"{defaults.learning_rate(pretrained=pretrained):g}",
                f"{defaults.backbone_learning_rate:g}" if pretrained else "1",
                f"{defaults.weight_decay:g}",
                f"{defaults.frozen_part if pretrained else 0:g}",
                str(defaults.freeze if pretrained else 0),
                format_value("freeze_statistics", defaults.freeze_statistics and pretrained),
                f"{backbone.alpha if pretrained else backbone.alpha_from_scratch:g}",
            )
            for start, pretrained in _STARTS.items()
        ]
    header = ("model", "weights", *_FROM_MODEL, "alpha")
    return Table(header, rows)


def _by_images(models: Mapping[str, "ModelFamily"]) -> Table:
    rows = []
    for names, defaults in _alike(models):
        for start, pretrained in _STARTS.items():
            steps = str(defaults.steps(pretrained=pretrained))
            epochs = [str(defaults.epochs(images, pretrained=pretrained)) for images in EXAMPLES]
            rows.append((", ".join(names), start, steps, *epochs))
    return Table(("model", "weights", "steps", *(f"{images} images" for images in EXAMPLES)), rows)


def _alike(models: Mapping[str, "ModelFamily"]) -> Iterator[tuple[list[str], Defaults]]:
    """Yield the names of models that train for equally many steps together."""
    groups: dict[tuple[int, int, int], list[str]] = {}
    for name, family in models.items():
        own = family.defaults
        groups.setdefault((own.passes, own.passes_from_scratch, own.batch_size), []).append(name)
    return ((names, models[names[0]].defaults) for names in groups.values())
