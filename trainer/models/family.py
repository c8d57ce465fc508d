"""A model family: what `--model` names."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import keras

from trainer.arguments.defaults import Defaults
from trainer.models.backbone import Backbone
from trainer.models.detector_weights import DetectorWeights
from trainer.models.network import Network


@dataclass(frozen=True, kw_only=True)
class DetectorSpec:
    """What `ssd.build` and `faster_rcnn.build` make a network of.

    Attributes:
        num_classes: K, at least 1.
        input_size: (width, height), multiples of 32.
        aspects: Anchor shapes of a cell, width / height.
        backbone: Preprocessed pixels (B, H, W, 3) to features.
        block_starts: See `Network`.
        pixels: Input of the network, uint8 (B, H, W, 3).
        features: The backbone's feature maps of these pixels, strides 8, 16 and 32.
    """

    num_classes: int
    input_size: tuple[int, int]
    aspects: Sequence[float]
    backbone: keras.Model
    block_starts: tuple[str, ...]
    pixels: keras.KerasTensor
    features: Sequence[keras.KerasTensor]


@dataclass(frozen=True, kw_only=True)
class ModelFamily:
    """A detector on a backbone, as `--model` names it.

    Attributes:
        when_to_choose: For the table of models.
        weights: Published weights of the whole detector; None if there are such of the backbone alone.
        learns_masks: Its networks have a `mask_head`: their datasets are read with masks.
        without_masks: Name of the family whose networks are the same but for layers of masks, by their names: runs of
            one are base models of the other. "" if there is none.
    """

    name: str
    when_to_choose: str
    backbone: Backbone
    detector: Callable[[DetectorSpec], Network]
    defaults: Defaults
    weights: DetectorWeights | None = None
    learns_masks: bool = False
    without_masks: str = ""

    @property
    def pretrained(self) -> tuple[str, ...]:
        """The words for `--base-model` that mean published weights."""
        return self.weights.names if self.weights else tuple(self.backbone.pretrained)

    @property
    def alphas(self) -> tuple[float, ...]:
        """The widths that its backbone can have, in ascending order."""
        return tuple(sorted(self.backbone.alpha_by_kernel.values())) or (self.backbone.alpha,)

    def is_cached(self) -> bool:
        """Whether published weights are on this machine."""
        return self.weights.is_here() if self.weights else self.backbone.is_cached()

    def build_backbone(self, *, input_size: tuple[int, int], alpha: float) -> keras.Model:
        """Return the backbone with random weights, `alpha` times as wide as the original."""
        return self.backbone.build(input_size, alpha)

    def build(
        self, *, num_classes: int, input_size: tuple[int, int], aspects: Sequence[float], backbone: keras.Model
    ) -> Network:
        """Return the network on a backbone from `build_backbone`; see `DetectorSpec`."""
        width, height = input_size
        taps = [backbone.get_layer(tap).output for tap in self.backbone.taps]
        pixels = keras.Input((height, width, 3), dtype="uint8", name="pixels")
        features = keras.Model(backbone.input, taps, name="features")
        return self.detector(
            DetectorSpec(
                num_classes=num_classes,
                input_size=input_size,
                aspects=aspects,
                backbone=backbone,
                block_starts=self.backbone.find_block_starts(backbone),
                pixels=pixels,
                features=features(self.backbone.preprocess()(pixels)),
            )
        )
