"""Check that a large model fits into GPU memory before anything is built.

A training that runs out of memory fails in the middle with a page of text; this is one sentence at once.
"""

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass

from preannotate.core.child_process import run_tool
from trainer.errors import TrainingError

# A driver that hangs must not hold up training.
TIMEOUT_SECONDS = 20
MIB = 2**20


@dataclass(frozen=True)
class Gpu:
    """A GPU as the driver lists it, with its memory in GB (10^9 bytes)."""

    name: str
    memory: float


def check(model: str, least: float, gpus: Sequence[Gpu]) -> None:
    """Refuse a single GPU with less than `least` GB; several share a batch, and without any the CPU's memory counts."""
    if len(gpus) != 1 or gpus[0].memory >= least:
        return
    gpu = gpus[0]
    raise TrainingError(
        f"--model {model}: one GPU ({gpu.name}) with {gpu.memory:.1f} GB; expected at least {least:g} GB, or two or "
        f"more GPUs (num_clones=2). Use frcnn-resnet50, or try it with --set ignore_memory=true and a small "
        f"batch_size."
    )


def visible() -> list[Gpu]:
    """Return the GPUs that the driver shows to this process; none if there is no driver or it does not answer."""
    if not shutil.which("nvidia-smi"):
        return []
    command = ["nvidia-smi", "--query-gpu=index,uuid,name,memory.total", "--format=csv,noheader,nounits"]
    result = run_tool(*command, timeout=TIMEOUT_SECONDS)
    if result.problem:
        return []
    return parse(result.stdout, os.environ.get("CUDA_VISIBLE_DEVICES"))


def parse(listing: str, chosen: str | None) -> list[Gpu]:
    """Return the GPUs in the driver's listing: lines of index, uuid, name and memory in MiB.

    `chosen` is CUDA_VISIBLE_DEVICES: indices or uuids between commas; None is all.

    >>> parse("0, GPU-a, T4, 15360", None)
    [Gpu(name='T4', memory=16.10612736)]
    """
    rows = [[part.strip() for part in line.split(",")] for line in listing.splitlines() if line.count(",") == 3]
    wanted = None if chosen is None else {part.strip() for part in chosen.split(",")}
    return [
        Gpu(name, int(memory) * MIB / 1e9)
        for index, uuid, name, memory in rows
        if memory.isdigit() and (wanted is None or wanted & {index, uuid})
    ]
