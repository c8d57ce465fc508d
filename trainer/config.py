"""How a run trains: one frozen record, written to `config.json` and read back.

What each argument means and may be is said once, in `trainer.arguments.table`; `trainer.arguments.defaults` makes the
record of a run out of what was asked for and what model and data suggest.
"""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainer.errors import TrainingError

AUTO = "auto"
# Pixels of a side of the network's input: smaller ones leave no cells at stride 64, larger ones no memory.
SMALLEST_SIDE, LARGEST_SIDE = 96, 1536


@dataclass(frozen=True)
class TrainingConfig:
    """Arguments of a run, and what they are if neither a person nor the model says otherwise.

    In the record of a run everything is decided; only here may `epochs`, `steps`, `initial_learning_rate` and `alpha`
    be 0 and `image_size` be `auto`, for "not decided yet".
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
    ignore_memory: bool = False


def parse_size(text: str) -> tuple[int, int] | None:
    """`320` or `352x288` as (width, height); None if it is neither or not multiples of 32 in [96, 1536]."""
    sides = _numbers(text.lower().split("x"))
    if len(sides) not in (1, 2) or not all(side % 32 == 0 and _possible(side) for side in sides):
        return None
    return sides[0], sides[-1]


def parse_range(text: str) -> tuple[int, int] | None:
    """`600-1024` as (shorter, longer) side; None if it is something else or not in [96, 1536]."""
    sides = _numbers(text.split("-"))
    if len(sides) != 2 or not all(map(_possible, sides)) or sides[0] > sides[1]:
        return None
    return sides[0], sides[1]


def _numbers(parts: list[str]) -> list[int]:
    return [int(part) for part in parts] if all(part.isascii() and part.isdigit() for part in parts) else []


def _possible(side: int) -> bool:
    return SMALLEST_SIDE <= side <= LARGEST_SIDE


def write(config: TrainingConfig, path: Path, **more: Any) -> None:
    """Write every value, and what else was resolved, as JSON."""
    content = {"arguments": dataclasses.asdict(config), **more}
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def read(path: Path) -> tuple[TrainingConfig, Mapping[str, Any]]:
    """The Config of a run, and what else was resolved.

    Raises:
        TrainingError: The file is missing or broken.

    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return TrainingConfig(**content.pop("arguments")), content
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TrainingError(f"{path}: {error}; expected the configuration of a run. Train again.") from error
