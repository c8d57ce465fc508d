"""Faster R-CNN on any backbone: first where objects are, then their classes and exact boxes; Mask R-CNN: their masks.

The first stage (RPN) scores every anchor for objects and proposes boxes; the second takes the features inside the best
of them, predicts their classes, and refines the boxes. References: Faster R-CNN,
https://arxiv.org/abs/1506.01497; feature pyramid, https://arxiv.org/abs/1612.03144; RoIAlign, section 3 of
https://arxiv.org/abs/1703.06870.
"""

from trainer.arguments.defaults import Defaults
from trainer.models.faster_rcnn.construction import build, build_with_masks
from trainer.models.faster_rcnn.mask_network import MaskRcnnNetwork
from trainer.models.faster_rcnn.network import FasterRcnnNetwork

__all__ = ["DEFAULTS", "FasterRcnnNetwork", "MaskRcnnNetwork", "build", "build_with_masks"]

# Deep backbones and dense layers learn at lower rates than the SSDs; more images in a step would need more memory
# than many GPUs have.
DEFAULTS = Defaults(
    batch_size=8,
    initial_learning_rate=5e-4,
    initial_learning_rate_from_scratch=5e-4,
    backbone_learning_rate=0.1,
    freeze=4,
    passes=6_000,
)
