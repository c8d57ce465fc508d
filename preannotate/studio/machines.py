"""Where a training can run: this machine's processor, each of its GPUs, and Kubernetes where it is configured."""

import os
import shutil
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from preannotate.doctor.machine import free_memory
from preannotate.doctor.packages import TENSORFLOWS
from preannotate.doctor.requirements import installed
from preannotate.doctor.tool import ask
from runtime.processors import cores

if TYPE_CHECKING:
    from preannotate.studio.settings import Settings

CPU, GPU, KUBERNETES = "cpu", "gpu", "kubernetes"
_GIB, _MIB = 1024**3, 2**20
# A driver takes a second to answer; cards come and go with a reboot, their memory does not.
_REMEMBERED_SECONDS = 20.0
_QUERY = ("nvidia-smi", "--query-gpu=index,name,memory.total,memory.used", "--format=csv,noheader,nounits")
_NO_LAUNCHER = (
    "a whole run (pull, training, build, publication) works in this machine's workspace; only its training could go to "
    "a cluster. Train there with `preannotate train --kubernetes`."
)


@dataclass(frozen=True)
class Machine:
    """A place for a training.

    Attributes:
        id: For `Order.machine`: "cpu", "gpu:0", "kubernetes".
        name: For people, with what it has: "This machine: 8 cores, 21.3 GiB free memory".
        available: Whether it can be chosen.
        why: Why not; "" if it can.
    """

    id: str
    name: str
    available: bool
    why: str = ""


@dataclass(frozen=True)
class Card:
    """A GPU as the driver lists it.

    Attributes:
        index: The driver's number.
        name: Of its kind.
        memory: GB (10^9 bytes).
        used: Of it, by whoever.
    """

    index: int
    name: str
    memory: float
    used: float


def machines(settings: "Settings | None" = None) -> list[Machine]:
    """All places, the best first; the processor is always among them.

    Args:
        settings: Say whether Kubernetes is configured; without them it is not listed.
    """
    why = _without_cuda()
    found = [
        Machine(f"{GPU}:{card.index}", f"GPU {card.index}: {card.name}, {_free(card)}", not why, why)
        for card in sorted(gpus(), key=lambda card: card.used - card.memory)
    ]
    found.append(Machine(CPU, f"This machine's processor: {_processor()}", True))
    if settings is not None and (where := settings.kubernetes) is not None:
        name = f"Kubernetes: {where.context}, namespace {where.namespace}"
        found.append(Machine(KUBERNETES, name, False, f"{KUBERNETES}: {_why_not()}"))
    return found


def gpus() -> tuple[Card, ...]:
    """The GPUs that NVIDIA's driver shows and this process may use; none without a driver."""
    now = time.monotonic()
    if _remembered and now - _remembered[-1][0] < _REMEMBERED_SECONDS:
        return _remembered[-1][1]
    said = ask(*_QUERY) if shutil.which(_QUERY[0]) else None
    cards = parse(said.text, os.environ.get("CUDA_VISIBLE_DEVICES")) if said is not None and not said.problem else ()
    _remembered[:] = [(now, cards)]
    return cards


_remembered: list[tuple[float, tuple[Card, ...]]] = []


def parse(listing: str, chosen: str | None) -> tuple[Card, ...]:
    """The GPUs of the driver's listing.

    Args:
        listing: Lines of index, name, and memory in MiB: all of it, and used.
        chosen: CUDA_VISIBLE_DEVICES: indices between commas; None is all.

    >>> parse("0, T4, 15360, 512", None)
    (Card(index=0, name='T4', memory=16.10612736, used=0.536870912),)
    """
    rows = [[part.strip() for part in line.split(",")] for line in listing.splitlines() if line.count(",") == 3]
    wanted = None if chosen is None else {part.strip() for part in chosen.split(",")}
    return tuple(
        Card(int(index), name, int(memory) * _MIB / 1e9, int(used) * _MIB / 1e9)
        for index, name, memory, used in rows
        if index.isdigit() and memory.isdigit() and used.isdigit() and (wanted is None or index in wanted)
    )


def _without_cuda() -> str:
    """Why TensorFlow would not use a GPU; "" if it would, or is not there at all."""
    names = [name for name in TENSORFLOWS if installed(name)]
    if names != ["tensorflow-cpu"]:
        return ""
    return (
        "TensorFlow is installed without CUDA; expected it with. "
        "pip uninstall --yes tensorflow-cpu && pip install 'preannotate[train-gpu]'"
    )


def _free(card: Card) -> str:
    return f"{card.memory:.0f} GB, {max(0.0, card.memory - card.used):.0f} GB free"


def _processor() -> str:
    count, memory = cores(), free_memory()
    text = f"{count} core{'' if count == 1 else 's'}"
    return text if memory is None else f"{text}, {memory / _GIB:.1f} GiB of memory free"


def _why_not() -> str:
    if not shutil.which("kubectl"):
        return "no kubectl on this machine; expected it. Install it and start the studio again."
    return _NO_LAUNCHER
