"""The models side by side: size, measured speed, when to choose which; `preannotate models` and docs/training.md."""

import json
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from preannotate.core.text import Table

# Written by benchmarks/models.py.
MEASURED = Path(__file__).parent / "measured.json"
NOT_MEASURED = "not measured"
# When to choose which; a sentence of opinion where nothing was measured.
CHOOSE = {
    "ssd-mobilenet-v2": "the default: fast on a CPU; alpha makes it smaller",
    "ssd-efficientnet-lite0": "where only a package index can be reached: its pretrained weights are a package",
    "frcnn-resnet50": "small or crowded objects, some hundred images, a GPU",
    "frcnn-resnet101": "as frcnn-resnet50, with a deeper backbone: slower",
    "frcnn-inception-resnet-v2": "several thousand images and a GPU with time for it",
    "frcnn-nas": "several thousand images and two or more large GPUs",
}


def tables(models: Mapping[str, ModuleType]) -> dict[str, Table]:
    """Heading to table.

    Args:
        models: Name to family, as in `MODELS`.

    """
    measured = json.loads(MEASURED.read_text(encoding="utf-8"))
    header = ("model", "weights (millions)", "training step", "inference", "when to choose it")
    return {_heading(measured): Table(header, [_row(name, measured["models"].get(name)) for name in models])}


def _heading(measured: Mapping[str, Any]) -> str:
    machine, width, height = measured["machine"], *measured["input_size"]
    return (
        f"Times relative to {measured['relative_to']}: a step of fine-tuning on {measured['batch_size']} images and "
        f"OpenVINO on one, {width}x{height}, {machine['cores']} cores, {machine['date']}"
    )


def _row(name: str, found: Mapping[str, float] | None) -> tuple[str, ...]:
    choose = CHOOSE.get(name, "")
    if found is None:
        return name, NOT_MEASURED, NOT_MEASURED, NOT_MEASURED, choose
    return name, f"{found['parameters'] / 1e6:.1f}", *(_ratio(found[key]) for key in ("training", "inference")), choose


def _ratio(value: float | None) -> str:
    return NOT_MEASURED if value is None else f"{value:.2g}"
