"""The models side by side: size, measured speed, when to choose which; `preannotate models` and docs/training.md."""

from collections.abc import Mapping
from typing import Any

from preannotate.core.text import NOT_MEASURED, Table
from trainer import measured_models
from trainer.models.family import ModelFamily


def tables(models: Mapping[str, ModelFamily]) -> dict[str, Table]:
    """Return the table by its heading; `models` as in `MODELS`."""
    measured = measured_models.measured()
    header = ("model", "learns", "weights (millions)", "training step", "inference", "when to choose it")
    rows = [_row(family, measured["models"].get(name)) for name, family in models.items()]
    return {_heading(measured): Table(header, rows)}


def _heading(measured: Mapping[str, Any]) -> str:
    machine, (width, height) = measured["machine"], measured["input_size"]
    return (
        f"Times relative to {measured['relative_to']}: a step of fine-tuning on {measured['batch_size']} images and "
        f"OpenVINO on one, {width}x{height}, {machine['cores']} cores, {machine['date']}"
    )


def _row(family: ModelFamily, figures: Mapping[str, float | None] | None) -> tuple[str, ...]:
    millions, *times = NOT_MEASURED, NOT_MEASURED, NOT_MEASURED
    if figures is not None:
        millions = f"{(figures['parameters'] or 0) / 1e6:.1f}"
        ratios = (figures["training"], figures["inference"])
        times = [NOT_MEASURED if ratio is None else f"{ratio:.2g}" for ratio in ratios]
    learns = "boxes and outlines" if family.learns_masks else "boxes"
    return family.name, learns, millions, *times, family.when_to_choose
