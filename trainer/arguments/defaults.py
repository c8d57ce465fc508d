"""Default arguments: by model, by number of training images, by what training starts from.

Order of precedence: `RequestedConfig`'s own defaults, the model's `defaults`, the number of images, what was requested.
`preannotate arguments` prints all of them.
"""

import math
from dataclasses import dataclass, replace

from trainer.arguments.facts import TrainingFacts
from trainer.config import NO_TILES, Overrides, TrainingConfig

# Each of many images is seen at least so often: an opinion, since the defaults were tuned on small sets only.
MIN_EPOCHS = 3
# A step may have so many times as many pixels as the model's usual one: YOLOX-Nano then trains in 4 GB, with
# up to 0.5 GB of decoded images (peak memory: docs/benchmarks.md).
MOST_PIXELS = 2.0
# Part of its usual rate that a backbone has at least, however few boxes there are.
LEAST_BACKBONE_RATE = 0.2


@dataclass(frozen=True)
class Defaults:
    """Default arguments of a model family.

    Attributes:
        side: Of a square with as many pixels as the input, if no `image_size` is requested.
        initial_learning_rate: Of the heads with a pretrained backbone.
        backbone_learning_rate: Relative to that of the heads.
        boxes_for_full_rate: Boxes in training from which on a pretrained backbone learns at that rate; with fewer it is
            lower, since a backbone overfits to a few dozen. 0 never lowers it.
        frozen_part: Part of the training during which a pretrained backbone stays frozen.
        freeze: Blocks of a pretrained backbone that are never trained.
        freeze_statistics: Whether a pretrained backbone keeps the statistics of its batch normalisation.
        passes: Images shown in a training with a pretrained backbone, in batches of `batch_size`: more steps gained
            nothing on held-out photos. Another batch size leaves the number of steps.
    """

    batch_size: int = 16
    side: int = 320
    initial_learning_rate: float = 2e-3
    initial_learning_rate_from_scratch: float = 6e-3
    backbone_learning_rate: float = 0.05
    boxes_for_full_rate: int = 0
    weight_decay: float = 0.02
    frozen_part: float = 0.08
    freeze: int = 3
    freeze_statistics: bool = True
    passes: int = 12_000
    passes_from_scratch: int = 14_000

    def learning_rate(self, *, pretrained: bool) -> float:
        """Return the learning rate of the heads."""
        return self.initial_learning_rate if pretrained else self.initial_learning_rate_from_scratch

    def backbone_rate(self, boxes: int | None) -> float:
        """Return the learning rate of a pretrained backbone relative to that of the heads; None is enough boxes."""
        if boxes is None or boxes >= self.boxes_for_full_rate:
            return self.backbone_learning_rate
        part = max(boxes / self.boxes_for_full_rate, LEAST_BACKBONE_RATE)
        return float(f"{self.backbone_learning_rate * part:.2g}")

    def of_model(self, *, pretrained: bool, boxes: int | None = None) -> dict[str, float | int | bool]:
        """Return the arguments, by name, that follow from the model, what it starts from, and the number of boxes."""
        return {
            "initial_learning_rate": self.learning_rate(pretrained=pretrained),
            "backbone_learning_rate": self.backbone_rate(boxes) if pretrained else 1.0,
            "weight_decay": self.weight_decay,
            "frozen_part": self.frozen_part if pretrained else 0.0,
            "freeze": self.freeze if pretrained else 0,
            "freeze_statistics": self.freeze_statistics and pretrained,
        }

    def fitting_batch(self, input_size: tuple[int, int]) -> int:
        """Return how many inputs of a size are in a step: fewer than usual if they are large, an even number or one."""
        fitting = MOST_PIXELS * self.batch_size * self.side**2 / (input_size[0] * input_size[1])
        return min(self.batch_size, max(int(fitting) // 2 * 2, 1))

    def steps(self, *, pretrained: bool) -> int:
        """Return how many steps a training takes whose length is not requested, unless there are many images."""
        return (self.passes if pretrained else self.passes_from_scratch) // self.batch_size

    def epochs(self, images: int, *, pretrained: bool, batch_size: int | None = None) -> int:
        """Return how many passes to make over so many training images; None is the model's own batch size."""
        steps_in_epoch = math.ceil(max(images, 1) / (batch_size or self.batch_size))
        return max(round(self.steps(pretrained=pretrained) / steps_in_epoch), MIN_EPOCHS)


def resolve_arguments(overrides: Overrides, defaults: Defaults, facts: TrainingFacts) -> TrainingConfig:
    """Decide all arguments of a run; the default batch can be divided among the replicas."""
    size = facts.input_size.size
    fitting = -(-defaults.fitting_batch(size) // facts.replicas) * facts.replicas
    batch_size = overrides.get("batch_size") or fitting
    suggested = {
        **defaults.of_model(pretrained=facts.pretrained, boxes=facts.boxes),
        "batch_size": batch_size,
        "copy_paste": facts.copy_paste.probability if facts.copy_paste else 0.0,
        "tiles": facts.tiles.tiles if facts.tiles else NO_TILES,
        "epochs": None
        if overrides.get("max_minutes")
        else defaults.epochs(facts.images, pretrained=facts.pretrained, batch_size=batch_size),
    }
    requested = {name: value for name, value in overrides.items() if value is not None or name not in suggested}
    found = {"alpha": facts.alpha, "image_size": "{}x{}".format(*size)}
    config = TrainingConfig(**{**suggested, **requested, **found})
    if config.steps is None:
        return config
    steps_in_epoch = -(-facts.images // config.batch_size)
    return replace(config, epochs=-(-config.steps // steps_in_epoch))
