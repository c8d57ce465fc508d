"""The table of arguments: what each one means and which values it may have."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from trainer.config import NO_TILES, parse_range, parse_size
from trainer.errors import TrainingError

# Names of Keras's dtype policies.
PRECISIONS = ("float32", "mixed_float16", "mixed_bfloat16")
ALPHAS = (0.35, 0.5, 0.75, 1.0, 1.3, 1.4)
AUGMENTS = ("strong", "weak", "none")
TILES = ("2", "3", NO_TILES)
# The largest seed that NumPy's and Keras's generators both accept.
MAX_SEED = 2**32 - 1
# Words for a value that is not set: decided by model and data, or no limit at all.
AUTO, NONE = "auto", "none"

Value = int | float | bool | str | None
_BOOLEANS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


@dataclass(frozen=True)
class Argument:
    """One argument.

    Attributes:
        expected: The rest of the sentence "expected ...", without the word for None.
        accepts: Whether a value of the type is possible.
        unset: The word for None, `AUTO` or `NONE`; None if the argument always has a value.
    """

    type: type[int] | type[float] | type[bool] | type[str]
    meaning: str
    expected: str
    accepts: Callable[..., bool]
    unset: str | None = None

    @property
    def choices(self) -> str:
        """The rest of the sentence "expected ..."."""
        return f"{self.expected}, or {self.unset}" if self.unset else self.expected


def _whole(meaning: str, low: int, high: int | None = None, *, unit: str = "", unset: str | None = None) -> Argument:
    expected = f"a whole number{unit} from {low}" + (" on" if high is None else f" to {high}")
    return Argument(int, meaning, expected, lambda value: low <= value <= (high or value), unset)


def _fraction(meaning: str, *, unset: str | None = None) -> Argument:
    return Argument(float, meaning, "a number in [0, 1]", lambda value: 0 <= value <= 1, unset)


def _positive_fraction(meaning: str, *, unset: str) -> Argument:
    return Argument(float, meaning, "a number above 0 and up to 1", lambda value: 0 < value <= 1, unset)


def _choice(meaning: str, choices: tuple[str, ...]) -> Argument:
    return Argument(str, meaning, f"one of {', '.join(choices)}", lambda value: value in choices)


def _switch(meaning: str, *, unset: str | None = None) -> Argument:
    return Argument(bool, meaning, "true or false", lambda value: True, unset)


ARGUMENTS: dict[str, Argument] = {
    "epochs": _whole(
        "passes over the training images; auto: by the model and their number, or with `max_minutes` by the time",
        1,
        unset=AUTO,
    ),
    "steps": _whole("end training after so many steps, in place of `epochs`", 1, unset=NONE),
    "max_minutes": Argument(
        float,
        "end training within this time; without `epochs` or `steps` it is all used",
        "minutes above 0",
        lambda value: 0 < value < math.inf,
        NONE,
    ),
    "batch_size": _whole("images in a step, over all GPUs", 1, 1024, unset=AUTO),
    "initial_learning_rate": _positive_fraction("of the heads, after the warm-up", unset=AUTO),
    "backbone_learning_rate": _fraction(
        "relative to that of the heads, once a pretrained backbone is no longer frozen", unset=AUTO
    ),
    "weight_decay": _fraction("decoupled, of AdamW", unset=AUTO),
    "image_size": Argument(
        str,
        "the network's input: a side such as `320`; `352x288`; or `600-1024`, the shape of the photos with a shorter "
        "side of about 600 and a longer side of at most 1024",
        "a side such as 320, WIDTHxHEIGHT, or MIN-MAX, multiples of 32 from 96 to 1536",
        lambda value: bool(parse_size(value)) or bool(parse_range(value)),
        AUTO,
    ),
    "tiles": Argument(
        str,
        "train for large images in so many overlapping tiles beside and below each other, too, and use them if that "
        "pays on the validation images; auto: where most objects are small in the input and images larger; or `none`",
        f"one of {', '.join(TILES)}",
        lambda value: value in TILES,
        AUTO,
    ),
    "alpha": Argument(
        float,
        "width of the backbone, for those that have several; a file of weights has its own",
        f"one of {', '.join(map(str, ALPHAS))}",
        lambda value: value in ALPHAS,
        AUTO,
    ),
    "frozen_part": _fraction("part of the training during which a pretrained backbone stays frozen", unset=AUTO),
    "freeze": _whole("blocks of a pretrained backbone that are never trained", 0, unit=" of blocks", unset=AUTO),
    "freeze_statistics": _switch("keep the statistics of batch normalisation in a pretrained backbone", unset=AUTO),
    "augment": _choice("`strong` (zoom, stretch, mirror, colour, mosaic, pasted objects), `weak` or `none`", AUGMENTS),
    "copy_paste": _fraction(
        "probability that an image gets objects of others; with `augment=strong`, until the closing phase", unset=AUTO
    ),
    "early_stopping": _positive_fraction(
        "begin the last quarter, the closing phase, after this part of the training with a validation mAP surely "
        "below the best",
        unset=NONE,
    ),
    "validation_fraction": Argument(
        float, "part of the images held out", "a number above 0 and below 1", lambda value: 0 < value < 1
    ),
    "seed": _whole("of everything random", 0, MAX_SEED),
    "num_clones": _whole("GPUs that share each batch", 1, 64, unit=" of GPUs"),
    "precision": _choice("of the numbers in a step: `float32`, `mixed_float16` or `mixed_bfloat16`", PRECISIONS),
    "jit": _switch("compile the step with XLA: on a CPU several times slower"),
    "deterministic": _switch("the same bits in each run on the same machine; slower"),
    "ignore_memory": _switch("train even if the GPU has less memory than the model is known to need"),
}


def parse_value(name: str, text: str, *, where: str) -> Value:
    """Return the value of an argument from its text; None if it is left to the trainer, or unlimited.

    The TrainingError for an impossible value names the source, `where`, and lists what is possible.
    """
    argument = ARGUMENTS[name]
    if argument.unset and text.lower() == argument.unset:
        return None
    try:
        value: Value = _BOOLEANS[text.lower()] if argument.type is bool else argument.type(text)
        acceptable = argument.accepts(value)
    except (ValueError, KeyError):
        acceptable = False
    if not acceptable:
        raise TrainingError(f"{where}: {name}={text}; expected {argument.choices}.")
    return value


def format_value(name: str, value: Value) -> str:
    """Return the text that `parse_value` turns into the value."""
    if value is None:
        return ARGUMENTS[name].unset or NONE
    return str(value).lower() if isinstance(value, bool) else str(value)


def format_short(name: str, value: Value) -> str:
    """Return the text for people: as `format_value`, numbers with at most six digits."""
    return f"{value:g}" if isinstance(value, float) else format_value(name, value)
