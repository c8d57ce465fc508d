"""The arguments of a training as frozen records, and `config.json`, in which a run keeps what it was trained with.

`trainer.arguments.table` defines what each argument means and may be; `trainer.arguments.defaults` makes a
`TrainingConfig` of what was requested and what model and data suggest.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from preannotate.core.errors import FileError
from preannotate.core.files import read_json, write_json
from runtime.manifest import Tiles
from trainer.errors import TrainingError

# Requested arguments by name, checked by the table; None as in `RequestedConfig`.
Overrides = Mapping[str, Any]
# Pixels of a side of the network's input: smaller ones leave no cells at stride 64, larger ones no memory.
SMALLEST_SIDE, LARGEST_SIDE = 96, 1536
# Value of `tiles` for whole images only.
NO_TILES = "none"
# In the provenance of `model.json`: what was measured with tiles and without.
TILES_KEY = "tiles"


@dataclass(frozen=True, kw_only=True)
class RequestedConfig:
    """Arguments as requested. None means auto (decided by model and data), or no limit."""

    epochs: int | None = None
    steps: int | None = None
    max_minutes: float | None = None
    batch_size: int | None = None
    initial_learning_rate: float | None = None
    backbone_learning_rate: float | None = None
    weight_decay: float | None = None
    image_size: str | None = None
    tiles: str | None = None
    alpha: float | None = None
    frozen_part: float | None = None
    freeze: int | None = None
    freeze_statistics: bool | None = None
    augment: str = "strong"
    copy_paste: float | None = None
    early_stopping: float | None = 0.4
    validation_fraction: float = 0.15
    seed: int = 0
    num_clones: int = 1
    precision: str = "float32"
    jit: bool = False
    deterministic: bool = False
    ignore_memory: bool = False


@dataclass(frozen=True, kw_only=True)
class TrainingConfig(RequestedConfig):
    """Arguments that a run is trained with; only limits may still be None. `image_size` is "WIDTHxHEIGHT".

    `epochs` is None if `max_minutes` alone ends the training: as many as there is time for.
    """

    batch_size: int = field()
    initial_learning_rate: float = field()
    backbone_learning_rate: float = field()
    weight_decay: float = field()
    image_size: str = field()
    tiles: str = field()
    alpha: float = field()
    frozen_part: float = field()
    freeze: int = field()
    freeze_statistics: bool = field()
    copy_paste: float = field()


@dataclass(frozen=True)
class Decision:
    """What was decided for a run without being requested, such as "batch_size=8", and why; both for people."""

    what: str
    why: str


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """Content of `config.json`.

    Attributes:
        overrides: The arguments that were requested, by name.
        labels: In the order of the class ids.
        base_model: As in `backbone_weights.BaseModel.source`.
        input_size: (width, height).
        aspects: Anchor shapes of a cell, width / height.
        recommendation: Why `--model auto` chose this model; None if it was named.
        decisions: The others, in the order in which they are shown.
        label_types: As in `Manifest`; empty for networks that find boxes only.
    """

    arguments: TrainingConfig
    overrides: Overrides
    model: str
    labels: tuple[str, ...]
    base_model: str
    pretrained: bool
    alpha: float
    input_size: tuple[int, int]
    aspects: tuple[float, ...]
    recommendation: str | None = None
    decisions: tuple[Decision, ...] = ()
    label_types: tuple[str, ...] = ()

    def write(self, path: Path) -> None:
        """Write every value as JSON."""
        write_json(path, dataclasses.asdict(self))

    @classmethod
    def read(cls, path: Path) -> "RunConfig":
        """Return what `write` wrote; a TrainingError if the file is missing or damaged."""
        try:
            content = read_json(path)
            if content is None:
                raise ValueError("no such file")
            width, height = content["input_size"]
            frozen = {name: tuple(content[name]) for name in ("labels", "aspects")}
            frozen["label_types"] = tuple(content.get("label_types", ()))
            # Runs of before these arguments kept the statistics of a pretrained backbone, pasted nothing, had no tiles.
            before = {"freeze_statistics": content["pretrained"], "copy_paste": 0.0, "tiles": NO_TILES}
            arguments = TrainingConfig(**{**before, **content["arguments"]})
            decisions = tuple(Decision(**decision) for decision in content.get("decisions", ()))
            decided = {"arguments": arguments, "input_size": (width, height), "decisions": decisions}
            return cls(**{**content, **frozen, **decided})
        except (FileError, ValueError, KeyError, TypeError) as error:
            raise TrainingError(f"{path}: {error}; expected the configuration of a run. Train again.") from error


def parse_size(text: str) -> tuple[int, int] | None:
    """Return `320` or `352x288` as (width, height); None if it is neither or not multiples of 32 in [96, 1536]."""
    sides = _numbers(text.lower().split("x"))
    if len(sides) not in (1, 2) or not all(side % 32 == 0 and _is_side(side) for side in sides):
        return None
    return sides[0], sides[-1]


def parse_range(text: str) -> tuple[int, int] | None:
    """Return `600-1024` as (shorter, longer) side; None if it is something else or not in [96, 1536]."""
    sides = _numbers(text.split("-"))
    if len(sides) != 2 or not all(map(_is_side, sides)) or sides[0] > sides[1]:
        return None
    return sides[0], sides[1]


def parse_tiles(text: str | None) -> Tiles | None:
    """Return `2` or `3` as so many tiles beside and below each other; None for `none` and for auto."""
    return None if text in (None, NO_TILES) else Tiles(int(text))


def _numbers(parts: list[str]) -> list[int]:
    return [int(part) for part in parts] if all(part.isascii() and part.isdigit() for part in parts) else []


def _is_side(side: int) -> bool:
    return SMALLEST_SIDE <= side <= LARGEST_SIDE
