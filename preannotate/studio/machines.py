"""Where a training can run: this machine's processor, each of its GPUs, and Kubernetes where it is configured."""

import os
import shutil
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from preannotate.core.child_process import run_tool
from preannotate.diagnostics.machine import free_memory
from preannotate.diagnostics.packages import TENSORFLOWS
from preannotate.diagnostics.requirements import installed
from preannotate.pipeline.kubernetes import KubernetesCluster
from runtime.processors import cores
from trainer.errors import TrainingError

if TYPE_CHECKING:
    from preannotate.studio.settings import Settings

CPU, GPU, KUBERNETES = "cpu", "gpu", "kubernetes"
_GIB, _MIB = 1024**3, 2**20
# A driver takes a second to answer; cards come and go with a reboot, their memory does not.
_REMEMBERED_SECONDS = 20.0
_QUERY = ("nvidia-smi", "--query-gpu=index,name,memory.total,memory.used", "--format=csv,noheader,nounits")
# Asked of a cluster before it is offered, and how long that is remembered.
_CLUSTER_SECONDS, _CLUSTER_REMEMBERED_SECONDS = 5.0, 60.0


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
    if settings is not None and settings.kubernetes:
        found.append(_cluster(settings))
    return found


def gpus() -> tuple[Card, ...]:
    """The GPUs that NVIDIA's driver shows and this process may use; none without a driver."""
    now = time.monotonic()
    if _remembered and now - _remembered[-1][0] < _REMEMBERED_SECONDS:
        return _remembered[-1][1]
    said = run_tool(*_QUERY) if shutil.which(_QUERY[0]) else None
    cards = parse(said.stdout, os.environ.get("CUDA_VISIBLE_DEVICES")) if said is not None and not said.problem else ()
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


def _cluster(settings: "Settings") -> Machine:
    try:
        where = KubernetesCluster.parse(settings.kubernetes)
    except TrainingError as error:
        return Machine(KUBERNETES, "Kubernetes", False, str(error))
    name = f"Kubernetes: {where.context or 'the current context'}, {where.namespace or 'its own namespace'}"
    why = _why_no_cluster(where, settings)
    return Machine(KUBERNETES, name, not why, why)


def _why_no_cluster(where: KubernetesCluster, settings: "Settings") -> str:
    """Why no training can run there; "" if the claim is there and the workspace on it."""
    if not where.holds(settings.workspace):
        return (
            f"{settings.workspace}: not on the cluster's volume; expected a workspace below {where.mount}. "
            f"Start the studio with one there."
        )
    now = time.monotonic()
    since, why = _clusters.get(where, (-_CLUSTER_REMEMBERED_SECONDS, ""))
    if now - since >= _CLUSTER_REMEMBERED_SECONDS:
        said = run_tool(*where.command("get", "pvc", where.claim, "--output", "name"), timeout=_CLUSTER_SECONDS)
        why = f"kubectl: {said.problem.rstrip('.')}; expected the claim {where.claim!r}." if said.problem else ""
        _clusters.clear()
        _clusters[where] = now, why
    return why


_clusters: dict[KubernetesCluster, tuple[float, str]] = {}
