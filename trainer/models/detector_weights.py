"""Published weights of a whole detector, which a model family may have in place of those of its backbone alone."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trainer.models.network import Network


@dataclass(frozen=True)
class DetectorTensors:
    """Weights of a detector, read from a file.

    Attributes:
        by_layer: Name of each layer with weights to its arrays, as `Layer.set_weights` takes them.
        labels: Of the classes that the file knows, in the order of its class ids.
        folded: Whether the statistics of batch normalisation lie in the convolutions: they must be measured before
            training, since statistics of a batch would destroy such weights.
    """

    by_layer: Mapping[str, Sequence[np.ndarray]]
    labels: Sequence[str]
    folded: bool


class DetectorWeights(ABC):
    """Where a family's weights come from: `names` are the words for `--base-model`, and files may be given, too."""

    names: tuple[str, ...]

    @abstractmethod
    def is_here(self) -> bool:
        """Whether the published file is on this machine."""

    @abstractmethod
    def find(self, base_model: str) -> Path | None:
        """Return the file that one of `names` means, downloaded if needed.

        None, with a warning that says what to do, if it is not here and cannot be downloaded.
        """

    @abstractmethod
    def read(self, path: Path) -> DetectorTensors:
        """Read a file; a TrainingError if it has other layers or is damaged."""

    @abstractmethod
    def load(self, network: Network, tensors: DetectorTensors, labels: Sequence[str]) -> list[str]:
        """Load all weights into a new network for `labels`; return those labels whose class weights are known."""
