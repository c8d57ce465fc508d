"""Interface of the network that a model family builds: targets, losses and predictions.

The training step, the input pipeline and the export use nothing else of a network.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from runtime.manifest import MaskHead
from trainer.placed_masks import PlacedMasks


class Loss(NamedTuple):
    """A part of the loss: its sum over this replica's images, and how many anchors or proposals that is the sum over.

    Both are float32 scalars. The training step divides by the count of the global batch: losses do not depend on how
    many replicas share it.
    """

    total: tf.Tensor
    count: tf.Tensor


@dataclass(frozen=True)
class Network(ABC):
    """A detector network before its training or after.

    Attributes:
        keras_model: uint8 pixels (B, H, W, 3) to raw outputs; it holds every weight.
        backbone: The part that may carry pretrained weights, its layers in the order of the data.
        block_starts: Names of the backbone's layers that begin a block: with `freeze=n`, training starts at the
            n-th of them, counted from 0.
        input_size: (width, height).
        iou_threshold: Of suppression behind it; see `runtime.manifest.Postprocess`.
        class_layers: Names of the layers with outputs for each class, K the fastest along the last axis of their
            kernel and bias. An earlier run's weights of single classes are transferred by it; without names only
            those of all classes together can be.
    """

    keras_model: keras.Model
    backbone: keras.Model
    block_starts: tuple[str, ...]
    input_size: tuple[int, int]
    num_classes: int
    class_layers: tuple[str, ...]
    iou_threshold: ClassVar[float] = 0.5

    @property
    def mask_head(self) -> MaskHead | None:
        """Which outputs `predict` gives for masks; None if it gives boxes only, and learns nothing else."""
        return None

    @property
    @abstractmethod
    def target_spec(self) -> Mapping[str, tf.TensorSpec]:
        """Name, shape and dtype of the targets of one image."""

    @abstractmethod
    def targets(self, gt_boxes: np.ndarray, gt_classes: np.ndarray, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Return the targets of one image; see `target_spec`.

        Args:
            gt_boxes: float32 (G, 4), xyxy, input pixels; G may be 0.
            gt_classes: int (G,); `assigner.IGNORED` makes a box an ignore region.
            rng: Of this image in this epoch; everything random that the losses need is drawn here.
        """

    def targets_with_masks(
        self, gt_boxes: np.ndarray, gt_classes: np.ndarray, gt_masks: PlacedMasks, rng: np.random.Generator
    ) -> dict[str, np.ndarray]:
        """Return the targets of one image, as `targets`, of a network with a `mask_head`: it must define this.

        `gt_masks` are those of `gt_boxes`; the network renders them as it needs them.
        """
        raise NotImplementedError

    @abstractmethod
    def losses(self, batch: Mapping[str, tf.Tensor]) -> dict[str, Loss]:
        """Return the losses, computed as in training; names end with `_loss`.

        `batch` has `pixels`, uint8 (B, H, W, 3), the targets, each with B in front, and `closing`, a float32 scalar: 1
        in the closing phase of the training (`schedule.CLOSING_PART`), otherwise 0. The same batch gives the same
        losses: an interrupted run could not be continued exactly otherwise.
        """

    @abstractmethod
    def predict(self, pixels: tf.Tensor) -> dict[str, tf.Tensor]:
        """Predict from pixels uint8 (B, H, W, 3): the engine contract inside the graph.

        Returns:
            `boxes`, float32 (B, N, 4), xyxy, input pixels; `scores`, float32 (B, N, K), in [0, 1]; and what masks are
            composed of, if `mask_head` is not None. See `runtime.engines.Engine`.
        """
