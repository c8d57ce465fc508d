"""Arithmetic on boxes: xyxy, float32, pixels; `x2 - x1` is the width (no +1)."""

import numpy as np

# Boxes that are compared with all others at once: bounds the memory of a suppression of many boxes.
_ROWS = 128


def area(boxes: np.ndarray) -> np.ndarray:
    """Width times height of boxes (..., 4); 0 for a box whose corners are swapped."""
    return np.clip(boxes[..., 2] - boxes[..., 0], 0, None) * np.clip(boxes[..., 3] - boxes[..., 1], 0, None)


def iou(boxes_a: np.ndarray, boxes_b: np.ndarray) -> np.ndarray:
    """Overlap of every box of A with every box of B.

    Args:
        boxes_a: Shape (N, 4), xyxy.
        boxes_b: Shape (M, 4), xyxy, in the same frame.

    Returns:
        float32 (N, M) in [0, 1]; 0 where both boxes are empty.

    >>> iou(np.array([[0, 0, 2, 2]]), np.array([[1, 0, 3, 2], [2, 2, 3, 3]])).round(3).tolist()
    [[0.3330000042915344, 0.0]]
    """
    a, b = boxes_a[:, None, :], boxes_b[None, :, :]
    top_left = np.maximum(a[..., :2], b[..., :2])
    bottom_right = np.minimum(a[..., 2:], b[..., 2:])
    sides = np.clip(bottom_right - top_left, 0, None)
    intersection = sides[..., 0] * sides[..., 1]
    union = area(a) + area(b) - intersection
    return (intersection / np.maximum(union, 1e-9)).astype(np.float32)


def clip(boxes: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Boxes (N, 4) cut to an image of `size` (width, height)."""
    width, height = size
    return np.clip(boxes, 0, np.array([width, height, width, height], boxes.dtype))


def nms(boxes: np.ndarray, scores: np.ndarray, *, iou_threshold: float, max_boxes: int | None = None) -> np.ndarray:
    """Greedy non-maximum suppression, whatever the classes of the boxes.

    Args:
        boxes: Shape (N, 4), xyxy.
        scores: Shape (N,).
        iou_threshold: A box that overlaps a better one by more than this is dropped.
        max_boxes: No more are kept, the best ones; None keeps all.

    Returns:
        int64 (M,): rows kept, best score first. Equal scores keep their order, so that two engines
        whose numbers are equal give equal results.
    """
    order = np.argsort(-scores, kind="stable")
    boxes = boxes[order]
    keep = np.ones(len(boxes), bool)
    kept: list[int] = []
    for start in range(0, len(boxes), _ROWS):
        overlap = iou(boxes[start : start + _ROWS], boxes[start:]) > iou_threshold
        for row, overlapped in enumerate(overlap):
            i = start + row
            if len(kept) == max_boxes:
                return order[kept]
            if keep[i]:
                kept.append(i)
                keep[i + 1 :] &= ~overlapped[row + 1 :]
    return order[kept]
