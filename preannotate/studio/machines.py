"""Where a training can run: this machine's processor, each of its GPUs, and Kubernetes where it is configured."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from preannotate.studio.settings import Settings

CPU, GPU, KUBERNETES = "cpu", "gpu", "kubernetes"


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


def machines(settings: "Settings | None" = None) -> list[Machine]:
    """All places, the best first; the processor is always among them.

    Args:
        settings: Say whether Kubernetes is configured; without them it is not listed.
    """
    raise NotImplementedError
