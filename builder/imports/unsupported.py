"""Kinds of networks that are no detectors of upright boxes, recognised so that they are refused by their name.

One of segmentation is imported after all if an adapter knows its boxes and masks.

Reference: Ultralytics writes `task` into each file it exports; the shapes are those of its classes Segment, Pose, OBB
and Classify in `ultralytics/nn/modules/head.py`, and of YOLOv5's `SegmentationModel`.
"""

from collections.abc import Mapping, Sequence

from builder.imports.feature_levels import feature_strides, level_size
from builder.imports.layout import Shapes

SEGMENTATION = "a segmentation network"
_POSE = "a pose network (keypoints)"
_ORIENTED = "a network of oriented boxes (OBB)"
_CLASSIFICATION = "a classification network, which has no boxes"
_TRACKING = "a tracking network (re-identification)"
_TASKS = {
    "segment": SEGMENTATION,
    "semantic": SEGMENTATION,
    "instance-segmentation": SEGMENTATION,
    "pose": _POSE,
    "obb": _ORIENTED,
    "classify": _CLASSIFICATION,
    "track": _TRACKING,
}
# Coefficients of masks, and 17 keypoints of three numbers.
_MASK_COEFFICIENTS = 32
_KEYPOINT_NUMBERS = 51
# Words in names of outputs, whatever the shapes are.
_NAMED = {
    "mask": SEGMENTATION,
    "proto": SEGMENTATION,
    "keypoint": _POSE,
    "kpt": _POSE,
    "embedding": _TRACKING,
    "reid": _TRACKING,
}
DETECTION_TASK = "detect"


def recognise(outputs: Shapes, input_size: tuple[int, int], metadata: Mapping[str, str], num_labels: int | None) -> str:
    """Return what kind of network it is, if it is one that cannot be imported; "" otherwise.

    Args:
        outputs: Names and shapes.
        input_size: (width, height).
        metadata: Of the file, such as `task`.
        num_labels: None if not known; tells a pose from a detector with 52 classes.
    """
    task = metadata.get("task", "")
    if task == DETECTION_TASK:
        return ""
    return _TASKS.get(task, "") or _by_name(outputs) or _by_shapes(list(outputs.values()), input_size, num_labels)


def is_raw_levels(outputs: Shapes, input_size: tuple[int, int]) -> bool:
    """Whether the outputs are feature levels whose boxes have not been decoded, as some exports for devices are."""
    levels = {level_size(input_size, stride) for stride in (8, 16, 32)}
    found = {
        cells
        for shape in outputs.values()
        if len(shape) in (4, 5)
        for cells in levels
        if any((shape[axis + 1], shape[axis]) == cells for axis in range(1, len(shape) - 1))
    }
    return len(found) == len(levels)


def _by_name(outputs: Shapes) -> str:
    return next((kind for word, kind in _NAMED.items() for name in outputs if word in name.lower()), "")


def _by_shapes(shapes: Sequence[tuple[int, ...]], input_size: tuple[int, int], num_labels: int | None) -> str:
    width, height = input_size
    if any(len(shape) == 4 and shape[1] == _MASK_COEFFICIENTS and shape[2] * 4 == height for shape in shapes):
        return SEGMENTATION
    if len(shapes) != 1:
        return ""
    (shape,) = shapes
    if len(shape) == 4 and shape[2:] in ((height, width), (height // 4, width // 4)):
        return SEGMENTATION
    if len(shape) == 2 and shape[0] == 1 and shape[1] > 1 and shape[1] not in (6, 7):
        return _CLASSIFICATION
    if len(shape) != 3 or num_labels is None:
        return ""
    of_cells = feature_strides(input_size, shape[2]) is not None
    columns = shape[1] if of_cells else shape[2]
    detector = {4 + num_labels, 5 + num_labels}
    # Corners, score and class of a network that suppresses by itself.
    listed = set() if of_cells else {6}
    if columns not in detector:
        for extra, kind in ((_KEYPOINT_NUMBERS, _POSE), (_MASK_COEFFICIENTS, SEGMENTATION)):
            if columns - extra in detector | listed:
                return kind
    return ""
