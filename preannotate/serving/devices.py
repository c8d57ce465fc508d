"""`--gpus 0,1`: the GPU variant of each function, with one worker for each GPU.

A worker sees its GPU alone, through CUDA_VISIBLE_DEVICES. Where that variable is set for the server already, by a
batch system or a container, the numbers count what it shows, as they do for every program that uses CUDA.
"""

import os
import re
from collections.abc import Mapping

from preannotate.serving.errors import ServeError

VARIABLE = "CUDA_VISIBLE_DEVICES"
_NUMBER = re.compile(r"\d{1,4}", re.ASCII)
# GPU-8932f937-d72c-4106-c12f-20bd9faed9f6, or MIG-… for a slice of one; CUDA takes any beginning that is unique.
_IDENTIFIER = re.compile(r"(GPU|MIG)-[0-9A-Za-z/-]{1,100}", re.ASCII)


def parse_gpus(text: str, visible: str | None = None) -> tuple[str, ...]:
    """Return the GPUs that `--gpus` names, each as CUDA_VISIBLE_DEVICES has to name it for its worker.

    `visible` is CUDA_VISIBLE_DEVICES of this process; None if it is not set.

    Raises:
        ServeError: An entry is no GPU, stands there twice, or is not among the visible ones.
    """
    entries = [entry.strip() for entry in text.split(",")]
    for entry in entries:
        if not _NUMBER.fullmatch(entry) and not _IDENTIFIER.fullmatch(entry):
            raise ServeError(
                f"--gpus: {entry!r}; expected numbers from 0 on or identifiers (GPU-…, MIG-…) with commas between "
                f"them, as in 0,1. `nvidia-smi -L` lists both."
            )
    chosen = [str(int(entry)) if _NUMBER.fullmatch(entry) else entry for entry in entries]
    if visible is not None:
        chosen = [_visible(entry, visible) for entry in chosen]
    for entry in chosen:
        if chosen.count(entry) > 1:
            raise ServeError(f"--gpus: {entry} is listed twice; expected each GPU once. Remove one.")
    return tuple(chosen)


def gpu_environment(gpu: str, environment: Mapping[str, str]) -> dict[str, str]:
    """Return `environment` with what a worker needs to see one GPU and no other."""
    # CUDA's own order is "fastest first"; the numbers of nvidia-smi follow the bus. Where somebody has chosen GPUs by
    # number already, the order they meant stays.
    order = {} if VARIABLE in os.environ else {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    return {**order, **environment, VARIABLE: gpu}


def _visible(entry: str, visible: str) -> str:
    shown = []
    for name in (name.strip() for name in visible.split(",")):
        if not _NUMBER.fullmatch(name) and not _IDENTIFIER.fullmatch(name):
            break  # -1 or nothing: CUDA looks no further
        shown.append(name)
    if _NUMBER.fullmatch(entry) and int(entry) < len(shown):
        return shown[int(entry)]
    if entry in shown:
        return entry
    numbers = f"; expected 0 to {len(shown) - 1}" if shown else "; expected it to show some"
    raise ServeError(
        f"--gpus: {entry} is not among the {len(shown)} GPUs that {VARIABLE}={visible!r} shows{numbers}. "
        f"Choose others, or unset that variable."
    )
