"""Arguments and their defaults as tables: `preannotate arguments` and docs/training.md."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from preannotate.core.text import Table
from trainer.arguments.defaults import MIN_EPOCHS, Defaults
from trainer.arguments.sources import PAIRS, SYNONYMS
from trainer.arguments.table import ARGUMENTS, format_short, format_value
from trainer.config import RequestedConfig

if TYPE_CHECKING:
    from trainer.models.family import ModelFamily

# Numbers of training images for which the table shows epochs.
EXAMPLES = (10, 30, 100, 300, 1000, 5000)
_FORMS = {"{}x{}": "WIDTHxHEIGHT", "{}-{}": "MIN-MAX"}
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
    names = Defaults().of_model(pretrained=True)
    rows = []
    for name, family in models.items():
        defaults, backbone = family.defaults, family.backbone
        for start, pretrained in _STARTS.items():
            own = defaults.of_model(pretrained=pretrained)
            alpha = backbone.alpha if pretrained else backbone.alpha_from_scratch
            shape = (str(defaults.batch_size), f"{defaults.side}x{defaults.side}")
            values = (format_short(argument, value) for argument, value in own.items())
            rows.append((name, start, *shape, *values, f"{alpha:g}"))
    return Table(("model", "weights", "batch_size", "image_size", *names, "alpha"), rows)


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
