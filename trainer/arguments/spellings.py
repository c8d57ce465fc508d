"""Other names of the arguments: those of TensorFlow's Object Detection API, and sizes in two numbers.

Taken from the fields of its `pipeline.config` (train_config, image_resizer) and of its command line.
"""

from collections.abc import Mapping

from trainer.config import LARGEST_SIDE, SMALLEST_SIDE
from trainer.errors import TrainingError

SYNONYMS = {
    "num_epochs": "epochs",
    "num_steps": "steps",
    "num_train_steps": "steps",
    "learning_rate": "initial_learning_rate",
    "num_gpus": "num_clones",
    "height": "image_height",
    "width": "image_width",
}
# Two numbers that are one `image_size`: its form, and the names in the order of the form.
PAIRS = {
    "{}x{}": ("image_width", "image_height"),
    "{}-{}": ("min_dimension", "max_dimension"),
}
PAIRED = tuple(name for pair in PAIRS.values() for name in pair)
_WAYS = "one of image_size, image_width with image_height, min_dimension with max_dimension"


def canonical_name(name: str) -> str:
    """Return the name of an argument here: `-` and `_` are alike, synonyms are replaced."""
    name = name.strip().replace("-", "_")
    return SYNONYMS.get(name, name)


def join_sizes(values: Mapping[str, str], *, where: str) -> dict[str, str]:
    """Return `values` with sizes in two numbers as one `image_size`.

    Raises:
        TrainingError: Half of a pair, or a size given in two ways.
    """
    given_sizes = [name for name in values if name == "image_size" or name in PAIRED]
    rest = {name: text for name, text in values.items() if name not in PAIRED}
    for form, pair in PAIRS.items():
        given = [name for name in pair if name in values]
        if not given:
            continue
        others = [name for name in given_sizes if name not in pair]
        if others:
            raise TrainingError(f"{where}: {others[0]} together with {given[0]}; expected {_WAYS}.")
        if len(given) == 1:
            other = pair[0] if given == [pair[1]] else pair[1]
            raise TrainingError(f"{where}: {given[0]} without {other}; expected both, or image_size.")
        rest["image_size"] = form.format(*(_side(name, values[name], form, where) for name in pair))
    return rest


def _side(name: str, text: str, form: str, where: str) -> str:
    step = 32 if "x" in form else 1
    if not (text.isascii() and text.isdigit()) or int(text) % step or not SMALLEST_SIDE <= int(text) <= LARGEST_SIDE:
        kind = f"a multiple of {step}" if step > 1 else "a whole number of pixels"
        raise TrainingError(f"{where}: {name}={text}; expected {kind} from {SMALLEST_SIDE} to {LARGEST_SIDE}.")
    return text
