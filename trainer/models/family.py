"""A model family: what `--model` names."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import keras

from trainer.arguments.defaults import Defaults
from trainer.models.backbone import Backbone
from trainer.models.network import Network


class BuildDetector(Protocol):
    """Build a detector on a backbone; `ssd.build` and `faster_rcnn.build` do."""

    def __call__(
        self,
        *,
        num_classes: int,
        input_size: tuple[int, int],
        aspects: Sequence[float],
        backbone: keras.Model,
        taps: Sequence[str],
        block_starts: tuple[str, ...],
        preprocess: keras.layers.Layer,
    ) -> Network:
        """Build the network.

        Args:
            num_classes: K, at least 1.
            input_size: (width, height), multiples of 32.
            aspects: Anchor shapes of a cell, width / height.
            backbone: Preprocessed pixels (B, H, W, 3) to features.
            taps: See `Backbone`.
            block_starts: See `Network`.
            preprocess: uint8 pixels to what the backbone expects.
        """


@dataclass(frozen=True, kw_only=True)
class ModelFamily:
    """A detector on a backbone.

    Attributes:
        name: For `--model`.
        when_to_choose: For the table of models.
        backbone: Its backbone.
        detector: Builds the rest of the network.
        defaults: Of its arguments.
    """

    name: str
    when_to_choose: str
    backbone: Backbone
    detector: BuildDetector
    defaults: Defaults

    def build_backbone(self, *, input_size: tuple[int, int], alpha: float) -> keras.Model:
        """Return the backbone with random weights, `alpha` times as wide as the original."""
        return self.backbone.build(input_size, alpha)

    def build(
        self, *, num_classes: int, input_size: tuple[int, int], aspects: Sequence[float], backbone: keras.Model
    ) -> Network:
        """Return the network on a backbone from `build_backbone`; arguments as in `BuildDetector`."""
        return self.detector(
            num_classes=num_classes,
            input_size=input_size,
            aspects=aspects,
            backbone=backbone,
            taps=self.backbone.taps,
            block_starts=self.backbone.find_block_starts(backbone),
            preprocess=self.backbone.preprocess(),
        )
