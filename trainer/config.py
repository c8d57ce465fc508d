"""What a run was asked to do: one frozen record, from arguments to `config.json` and back."""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainer.errors import TrainingError

AUTO = "auto"
# How many images are shown if nothing is asked. Fine-tuned on 120 and 160 photos, networks scored no better on
# held-out ones after this; from random weights there is more to learn.
FINE_TUNING_PASSES, FROM_SCRATCH_PASSES = 6_000, 14_000
MIN_EPOCHS, MAX_EPOCHS = 30, 300
# Names of Keras's dtype policies.
PRECISIONS = ("float32", "mixed_float16", "mixed_bfloat16")


@dataclass(frozen=True)
class Config:
    """Arguments of a training run; the defaults are those of `--arguments`.

    Attributes:
        epochs: Passes over the training images; 0 chooses by their number.
        steps: Steps at most, in place of epochs; 0 leaves it to `epochs`.
        max_minutes: Ends training in time, the schedule fitted to it; 0 is no limit.
        batch_size: Images in a step, over all replicas.
        initial_learning_rate: Of the heads, at the end of the warm-up; 0 chooses 0.002 with pretrained weights,
            0.006 without.
        backbone_learning_rate: Relative to that of the heads, once the backbone is thawed.
        weight_decay: Decoupled, of AdamW.
        image_size: Input of the network: `auto`, a side such as `320`, or `WIDTHxHEIGHT`.
        alpha: Width of the backbone; 0 chooses 1.0 with pretrained weights, 0.35 without.
        frozen_part: Part of the training during which a pretrained backbone stays frozen, in [0, 1].
        freeze: A pretrained backbone's first layers that are never trained: how many blocks.
        augment: `strong`, `weak` or `none`.
        early_stopping: Stop after this part of the training without a better validation mAP; 0 is never.
        validation_fraction: Part of the images held out to choose the best weights and the thresholds.
        seed: Of everything random.
        num_clones: Replicas of the network that share each batch, one on each GPU.
        precision: Of the numbers in a step: a name of Keras's dtype policies.
        jit: Compile the step with XLA.
        deterministic: The same bits in each run on the same machine, at the price of speed.

    """

    epochs: int = 0
    steps: int = 0
    max_minutes: float = 0.0
    batch_size: int = 16
    initial_learning_rate: float = 0.0
    backbone_learning_rate: float = 0.05
    weight_decay: float = 0.02
    image_size: str = AUTO
    alpha: float = 0.0
    frozen_part: float = 0.08
    freeze: int = 3
    augment: str = "strong"
    early_stopping: float = 0.4
    validation_fraction: float = 0.15
    seed: int = 0
    num_clones: int = 1
    precision: str = "float32"
    jit: bool = False
    deterministic: bool = False

    def epochs_for(self, images: int, *, pretrained: bool) -> int:
        """The number of epochs: as asked, or by the number of training images and what training starts from."""
        if self.epochs:
            return self.epochs
        if self.steps:
            return -(-self.steps // -(-max(images, 1) // self.batch_size))
        passes = FINE_TUNING_PASSES if pretrained else FROM_SCRATCH_PASSES
        return min(max(round(passes / max(images, 1)), MIN_EPOCHS), MAX_EPOCHS)

    def learning_rate(self, *, pretrained: bool) -> float:
        """The peak learning rate: as asked, or by what training starts from."""
        return self.initial_learning_rate or (2e-3 if pretrained else 6e-3)


# name -> (accepts, what is expected)
_CHECKS: Mapping[str, tuple[Any, str]] = {
    "epochs": (lambda v: v >= 0, "a whole number from 0 on (0: by the number of images)"),
    "steps": (lambda v: v >= 0, "a whole number from 0 on (0: as many as the epochs have)"),
    "max_minutes": (lambda v: v >= 0, "minutes, 0 for no limit"),
    "batch_size": (lambda v: 1 <= v <= 1024, "a whole number from 1 to 1024"),
    "initial_learning_rate": (lambda v: 0 <= v <= 1, "a number in [0, 1] (0: chosen)"),
    "backbone_learning_rate": (lambda v: 0 <= v <= 1, "a number in [0, 1]"),
    "weight_decay": (lambda v: 0 <= v <= 1, "a number in [0, 1]"),
    "image_size": (
        lambda v: v == AUTO or bool(parse_size(v)),
        "auto, a side such as 320, or WIDTHxHEIGHT, multiples of 32 from 96 to 1536",
    ),
    "alpha": (
        lambda v: v in (0.0, 0.35, 0.5, 0.75, 1.0, 1.3, 1.4),
        "one of 0.35, 0.5, 0.75, 1.0, 1.3, 1.4 (0: chosen)",
    ),
    "frozen_part": (lambda v: 0 <= v <= 1, "a number in [0, 1]"),
    "freeze": (lambda v: v >= 0, "a whole number of blocks from 0 on"),
    "augment": (lambda v: v in ("strong", "weak", "none"), "one of strong, weak, none"),
    "early_stopping": (lambda v: 0 <= v <= 1, "a number in [0, 1]"),
    "validation_fraction": (lambda v: 0 < v < 1, "a number above 0 and below 1"),
    "seed": (lambda v: v >= 0, "a whole number from 0 on"),
    "num_clones": (lambda v: 1 <= v <= 64, "a whole number of GPUs from 1 to 64"),
    "precision": (lambda v: v in PRECISIONS, f"one of {', '.join(PRECISIONS)}"),
    "jit": (lambda v: True, "true or false"),
    "deterministic": (lambda v: True, "true or false"),
}


_TRUTH = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


def parse_size(text: str) -> tuple[int, int] | None:
    """`320` or `352x288` as (width, height); None if it is neither or not multiples of 32 in [96, 1536]."""
    parts = text.lower().split("x")
    if len(parts) > 2 or not all(part.isascii() and part.isdigit() for part in parts):
        return None
    width, height = int(parts[0]), int(parts[-1])
    ok = all(side % 32 == 0 and 96 <= side <= 1536 for side in (width, height))
    return (width, height) if ok else None


def parse_arguments(text: str, base: Config | None = None) -> Config:
    """`epochs=40,batch_size=16` as a Config.

    Args:
        text: `name=value` parts between commas, semicolons or newlines; `-` and `_` are alike; `#` starts
            a comment that ends with its line.
        base: What is not named stays as here.

    Raises:
        TrainingError: An unknown name or an impossible value, with the choices.

    """
    config = base or Config()
    lines = (line.split("#", 1)[0] for line in text.splitlines())
    for part in ",".join(lines).replace(";", ",").split(","):
        if not part.strip():
            continue
        name, separator, value = (piece.strip() for piece in part.partition("="))
        if not separator:
            raise TrainingError(f"arguments: {part.strip()!r}; expected name=value, such as epochs=40.")
        config = dataclasses.replace(config, **{(key := name.replace("-", "_")): _value(key, value)})
    return config


def _value(name: str, text: str) -> Any:
    fields = {field.name: field for field in dataclasses.fields(Config)}
    if name not in fields:
        raise TrainingError(f"arguments: unknown name {name!r}; expected one of: {', '.join(sorted(fields))}.")
    accepts, expected = _CHECKS[name]
    try:
        value = _TRUTH[text.lower()] if fields[name].type is bool else fields[name].type(text)
        acceptable = accepts(value)
    except (ValueError, KeyError):
        acceptable = False
    if not acceptable:
        raise TrainingError(f"arguments: {name}={text}; expected {expected}.")
    return value


def write(config: Config, path: Path, **more: Any) -> None:
    """Write every value, and what else was resolved, as JSON."""
    content = {"arguments": dataclasses.asdict(config), **more}
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def read(path: Path) -> tuple[Config, dict[str, Any]]:
    """The Config of a run, and what else was resolved.

    Raises:
        TrainingError: The file is missing or broken.

    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return Config(**content.pop("arguments")), content
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TrainingError(f"{path}: {error}; expected the configuration of a run. Train again.") from error
