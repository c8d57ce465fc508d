"""RTMDet-Ins, Mask R-CNN and others of MMDetection with MMDeploy, which suppress by themselves.

The usual normalisation is that of MMDetection's models of PyTorch; RTMDet-Ins wants `--channels bgr`.

Reference: https://github.com/open-mmlab/mmdeploy, `mmdeploy/codebase/mmdet/models/dense_heads/rtmdet_ins_head.py`.
"""

from builder.imports import mask_maps
from builder.imports.adapters import boxes_labels_masks, mmdetection
from builder.imports.layout import AdapterMatch, Shapes

OUTPUTS = (
    "dets (1, N, 5) or (N, 5): x1, y1, x2, y2 in input pixels, score; labels (1, N) or (N): class numbers from 0; "
    "masks (1, N, m, m) in the boxes, or (1, N, H, W) in the input"
)
GRAPHS = ("onnx", "ir")
PIXELS = mmdetection.PIXELS
FIRST_CLASS = 0
THRESHOLD = 0.3
MASK_HEAD = boxes_labels_masks.MASK_HEAD


def match(outputs: Shapes, input_size: tuple[int, int]) -> AdapterMatch | None:
    """As networks without masks, and one output of masks."""
    found = mask_maps.without_masks(outputs, input_size)
    return mask_maps.with_masks(mmdetection.match(found[1], input_size), found[0]) if found else None


decode, graph = boxes_labels_masks.decode, boxes_labels_masks.graph
decode_masks, graph_masks = boxes_labels_masks.decode_masks, boxes_labels_masks.graph_masks
