"""Where a training can run: this machine's processor, each of its GPUs, and Kubernetes where it is configured."""

import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from preannotate.core.child_process import run_tool
from preannotate.core.memory import free_memory
from preannotate.core.text import plural
from preannotate.diagnostics.packages import TENSORFLOWS, installed
from preannotate.pipeline.kubernetes import KubernetesCluster
from runtime.processors import cores
from trainer.errors import TrainingError

if TYPE_CHECKING:
    from preannotate.studio.settings import Settings

CPU, GPU, KUBERNETES = "cpu", "gpu", "kubernetes"
_GIB, _MIB = 1024**3, 2**20
# A driver and a cluster take seconds to answer.
_GPU_CACHE_SECONDS, _CLUSTER_CACHE_SECONDS = 20.0, 60.0
_CLUSTER_TIMEOUT_SECONDS = 5.0
_QUERY = ("nvidia-smi", "--query-gpu=index,name,memory.total,memory.used", "--format=csv,noheader,nounits")
Value = TypeVar("Value")
_cache: dict[object, tuple[float, Any]] = {}


@dataclass(frozen=True)
class Machine:
    """A place for a training.

    Attributes:
        id: As the queue of runs names it: "cpu", "gpu:0"; or "kubernetes".
        name: For people, with its resources: "GPU 0: NVIDIA T4, 16 GB, 15 GB free".
        problem: Why it cannot be chosen; None if it can.
    """

    id: str
    name: str
    problem: str | None = None


@dataclass(frozen=True)
class Card:
    """A GPU as the driver lists it; `memory` and `used` by all processes are in GB (10^9 bytes)."""

    index: int
    name: str
    memory: float
    used: float


def machines(settings: "Settings | None" = None) -> list[Machine]:
    """Return all places, the best first; the processor is always among them, a cluster if `settings` have one."""
    problem = _without_cuda()
    found = [
        Machine(f"{GPU}:{card.index}", f"GPU {card.index}: {card.name}, {_free(card)}", problem)
        for card in sorted(gpus(), key=lambda card: card.used - card.memory)
    ]
    found.append(Machine(CPU, f"This machine's processor: {_processor()}"))
    if settings is not None and settings.kubernetes:
        found.append(_cluster(settings.kubernetes, settings.workspace))
    return found


def gpus() -> tuple[Card, ...]:
    """Return the GPUs that NVIDIA's driver shows and this process may use; none without a driver."""

    def query() -> tuple[Card, ...]:
        answer = run_tool(*_QUERY) if shutil.which(_QUERY[0]) else None
        if answer is None or answer.problem:
            return ()
        return parse_gpus(answer.stdout, os.environ.get("CUDA_VISIBLE_DEVICES"))

    return _cached("gpus", _GPU_CACHE_SECONDS, query)


def parse_gpus(listing: str, visible: str | None) -> tuple[Card, ...]:
    """Parse the driver's listing of GPUs.

    Args:
        listing: Lines of index, name, and memory in MiB: all of it, and used.
        visible: CUDA_VISIBLE_DEVICES: indices between commas; None is all.

    >>> parse_gpus("0, T4, 15360, 512", None)
    (Card(index=0, name='T4', memory=16.10612736, used=0.536870912),)
    """
    rows = [[part.strip() for part in line.split(",")] for line in listing.splitlines() if line.count(",") == 3]
    wanted = None if visible is None else {part.strip() for part in visible.split(",")}
    return tuple(
        Card(int(index), name, int(memory) * _MIB / 1e9, int(used) * _MIB / 1e9)
        for index, name, memory, used in rows
        if index.isdigit() and memory.isdigit() and used.isdigit() and (wanted is None or index in wanted)
    )


def _cached(key: object, seconds: float, query: Callable[[], Value]) -> Value:
    now = time.monotonic()
    if key not in _cache or now - _cache[key][0] >= seconds:
        _cache[key] = now, query()
    value: Value = _cache[key][1]
    return value


def _without_cuda() -> str | None:
    """Return why TensorFlow would not use a GPU; None if it would, or is not installed at all."""
    if [name for name in TENSORFLOWS if installed(name)] != ["tensorflow-cpu"]:
        return None
    return (
        "TensorFlow is installed without CUDA; expected it with. "
        "pip uninstall --yes tensorflow-cpu && pip install 'preannotate[train-gpu]'"
    )


def _free(card: Card) -> str:
    return f"{card.memory:.0f} GB, {max(0.0, card.memory - card.used):.0f} GB free"


def _processor() -> str:
    text, memory = plural(cores(), "core"), free_memory()
    return text if memory is None else f"{text}, {memory / _GIB:.1f} GiB of memory free"


def _cluster(text: str, workspace: Path) -> Machine:
    try:
        cluster = KubernetesCluster.parse(text)
    except TrainingError as error:
        return Machine(KUBERNETES, "Kubernetes", str(error))
    name = f"Kubernetes: {cluster.context or 'the current context'}, {cluster.namespace or 'its own namespace'}"
    if not cluster.holds(workspace):
        return Machine(
            KUBERNETES,
            name,
            f"{workspace}: not on the cluster's volume; expected a workspace below {cluster.mount}. "
            f"Start the studio with one there.",
        )
    return Machine(KUBERNETES, name, _cached(cluster, _CLUSTER_CACHE_SECONDS, lambda: _claim_problem(cluster)))


def _claim_problem(cluster: KubernetesCluster) -> str | None:
    command = cluster.command("get", "pvc", cluster.claim, "--output", "name")
    answer = run_tool(*command, timeout=_CLUSTER_TIMEOUT_SECONDS)
    return f"kubectl: {answer.problem.rstrip('.')}; expected the claim {cluster.claim!r}." if answer.problem else None
