"""YOLOX on CSPDarknet, in its official layout: one stage, no anchors, and published weights of the whole detector.

Reference: https://arxiv.org/abs/2107.08430.
"""

from trainer.models.yolox.families import FAMILIES

__all__ = ["FAMILIES"]
