"""The table of arguments: what each means, what it may be, and how it is said if it is not."""

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from trainer.config import AUTO, TrainingConfig, parse_range, parse_size
from trainer.errors import TrainingError

# Names of Keras's dtype policies.
PRECISIONS = ("float32", "mixed_float16", "mixed_bfloat16")
ALPHAS = (0.35, 0.5, 0.75, 1.0, 1.3, 1.4)
AUGMENTS = ("strong", "weak", "none")
# What NumPy's and Keras's generators both take.
MAX_SEED = 2**32 - 1

_TYPES = {field.name: field.type for field in dataclasses.fields(TrainingConfig)}
_TRUTH = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


@dataclass(frozen=True)
class Argument:
    """One argument.

    Attributes:
        meaning: For the table of the documentation.
        expected: The rest of the sentence "expected ...".
        accepts: Whether a value of the argument's type is possible.

    """

    meaning: str
    expected: str
    accepts: Callable[[Any], bool]


def _from(least: int, more: str = "") -> tuple[str, Callable[[int], bool]]:
    return f"a whole number from {least} on{more}", lambda value: value >= least


def _part(more: str = "") -> tuple[str, Callable[[float], bool]]:
    return f"a number in [0, 1]{more}", lambda value: 0 <= value <= 1


def _one_of(choices: tuple[str, ...]) -> tuple[str, Callable[[str], bool]]:
    return f"one of {', '.join(choices)}", lambda value: value in choices


_ANY_TRUTH = ("true or false", lambda value: True)

ARGUMENTS: dict[str, Argument] = {
    "epochs": Argument("passes over the training images", *_from(0, " (0: by the number of images)")),
    "steps": Argument(
        "ends training after so many steps, in place of `epochs`", *_from(0, " (0: as many as the epochs have)")
    ),
    "max_minutes": Argument(
        "ends training in time, with the schedule fitted to it; 0 is no limit",
        "minutes, 0 for no limit",
        lambda value: 0 <= value < math.inf,
    ),
    "batch_size": Argument(
        "images in a step, over all GPUs", "a whole number from 1 to 1024", lambda value: 1 <= value <= 1024
    ),
    "initial_learning_rate": Argument("of the heads, after the warm-up", *_part(" (0: chosen)")),
    "backbone_learning_rate": Argument("relative to that of the heads, once a pretrained backbone is thawed", *_part()),
    "weight_decay": Argument("decoupled, of AdamW", *_part()),
    "image_size": Argument(
        "the network's input: a side such as `320`; `352x288`; or `600-1024`, the shape of the photos with a shorter "
        "side of about 600 and a longer side of at most 1024",
        "auto, a side such as 320, WIDTHxHEIGHT, or MIN-MAX, multiples of 32 from 96 to 1536",
        lambda value: value == AUTO or bool(parse_size(value)) or bool(parse_range(value)),
    ),
    "alpha": Argument(
        "width of the backbone, for those that have several; a file of weights has its own",
        f"one of {', '.join(map(str, ALPHAS))} (0: chosen)",
        lambda value: value in (0.0, *ALPHAS),
    ),
    "frozen_part": Argument("part of the training during which a pretrained backbone stays as it is", *_part()),
    "freeze": Argument(
        "blocks of a pretrained backbone that are never trained",
        "a whole number of blocks from 0 on",
        lambda value: value >= 0,
    ),
    "augment": Argument("`strong` (zoom, stretch, mirror, colour, mosaic), `weak` or `none`", *_one_of(AUGMENTS)),
    "early_stopping": Argument(
        "stop after this part of the training without a better validation mAP; 0 is never", *_part()
    ),
    "validation_fraction": Argument(
        "part of the images held out", "a number above 0 and below 1", lambda value: 0 < value < 1
    ),
    "seed": Argument(
        "of everything random", f"a whole number from 0 to {MAX_SEED}", lambda value: 0 <= value <= MAX_SEED
    ),
    "num_clones": Argument(
        "GPUs that share each batch", "a whole number of GPUs from 1 to 64", lambda value: 1 <= value <= 64
    ),
    "precision": Argument(
        "of the numbers in a step: `float32`, `mixed_float16` or `mixed_bfloat16`", *_one_of(PRECISIONS)
    ),
    "jit": Argument("compile the step with XLA: on a CPU several times slower", *_ANY_TRUTH),
    "deterministic": Argument("the same bits in each run on the same machine, at the price of speed", *_ANY_TRUTH),
    "ignore_memory": Argument("train even if the GPU has less memory than the model is known to need", *_ANY_TRUTH),
}


def parse_value(name: str, text: str, *, where: str) -> Any:
    """The value of an argument from its text.

    Args:
        name: In `ARGUMENTS`.
        text: As written by a person.
        where: The source, for the error.

    Raises:
        TrainingError: It cannot be.

    """
    argument = ARGUMENTS[name]
    try:
        value = _TRUTH[text.lower()] if _TYPES[name] is bool else _TYPES[name](text)
        acceptable = argument.accepts(value)
    except (ValueError, KeyError):
        acceptable = False
    if not acceptable:
        raise TrainingError(f"{where}: {name}={text}; expected {argument.expected}.")
    return value
