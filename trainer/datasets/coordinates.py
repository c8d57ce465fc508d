"""From the coordinates of an annotation file to pixels of the upright image.

CVAT shows and annotates images as EXIF orients them; other tools annotate the raw pixels, or a resized copy.
The size that the file declares shows which.
"""

import numpy as np

# A resized copy keeps its aspect up to the rounding of its sides.
_ASPECT_TOLERANCE = 0.01
MIN_SIDE = 1.0

TURNED = "declared size is that before EXIF rotation: boxes turned"
SCALED = "declared size is another scale: boxes scaled"
SWAPPED = "declared width and height are swapped: boxes used as they are"
# Of images that are used all the same.
CORRECTED = (TURNED, SCALED, SWAPPED)
DISAGREES = "declared size does not belong to the image: not used"


def to_upright_pixels(
    boxes: np.ndarray,
    *,
    declared: tuple[int, int] | None,
    image_size: tuple[int, int],
    orientation: int = 1,
    relative: bool = False,
) -> tuple[np.ndarray | None, str]:
    """Return boxes in pixels of the upright image, not clipped.

    Args:
        boxes: float64 (G, 4), xyxy, in pixels of the declared size, or in [0, 1] if `relative`.
        declared: (width, height) in the annotation file, or None.
        image_size: True (width, height) after EXIF rotation.
        orientation: EXIF orientation of the file, 1 to 8.
        relative: See `boxes`.

    Returns:
        The boxes, or None if they cannot be trusted; and the problem that was found, "" if none.
    """
    width, height = image_size
    if relative:
        return boxes * np.array([width, height, width, height], np.float64), ""
    if declared is None or declared == image_size:
        return boxes, ""
    if declared == (height, width):
        if orientation in (5, 6, 7, 8):
            return turn(boxes, declared, orientation), TURNED
        fits = (boxes[:, 2:] <= np.array(image_size) + MIN_SIDE).all()
        return (boxes, SWAPPED) if fits else (None, DISAGREES)
    scale_x, scale_y = width / declared[0], height / declared[1]
    if abs(scale_x / scale_y - 1) <= _ASPECT_TOLERANCE:
        return boxes * np.array([scale_x, scale_y, scale_x, scale_y], np.float64), SCALED
    return None, DISAGREES


def frame_to_image(
    *, declared: tuple[int, int] | None, image_size: tuple[int, int], orientation: int = 1, relative: bool = False
) -> np.ndarray:
    """Return float64 (2, 3): the way of a point (x, y, 1) to where `to_upright_pixels` brings boxes.

    Not for sizes that disagree, whose boxes are not used.
    """
    points = np.array([[0, 0, 0, 0], [1, 0, 1, 0], [0, 1, 0, 1]], np.float64)
    upright, _ = to_upright_pixels(
        points, declared=declared, image_size=image_size, orientation=orientation, relative=relative
    )
    assert upright is not None
    origin, right, down = upright[:, :2]
    return np.stack([right - origin, down - origin, origin], axis=1)


def turn(boxes: np.ndarray, raw_size: tuple[int, int], orientation: int) -> np.ndarray:
    """Turn boxes (G, 4) from raw pixels to the frame after EXIF rotation, as `PIL.ImageOps.exif_transpose`."""
    width, height = raw_size
    x1, y1, x2, y2 = boxes.T
    turned = {
        1: (x1, y1, x2, y2),
        2: (width - x2, y1, width - x1, y2),
        3: (width - x2, height - y2, width - x1, height - y1),
        4: (x1, height - y2, x2, height - y1),
        5: (y1, x1, y2, x2),
        6: (height - y2, x1, height - y1, x2),
        7: (height - y2, width - x2, height - y1, width - x1),
        8: (y1, width - x2, y2, width - x1),
    }[orientation]
    return np.stack(turned, axis=1)


def in_order(boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return boxes (G, 4) with the upper left corner first, and bool (G,): which were drawn from another corner."""
    ordered = np.concatenate([np.minimum(boxes[:, :2], boxes[:, 2:]), np.maximum(boxes[:, :2], boxes[:, 2:])], axis=1)
    return ordered, (ordered != boxes).any(axis=1)


def inside(boxes: np.ndarray, image_size: tuple[int, int]) -> np.ndarray:
    """Return bool (G,): which boxes touch the image."""
    return np.all((boxes[:, 2:] > 0) & (boxes[:, :2] < np.array(image_size)), axis=1)


def ignore_regions(boxes: np.ndarray, image_size: tuple[int, int]) -> np.ndarray:
    """Return float32 (I, 4): what lies in the image of boxes that are not learnt, `MIN_SIDE` wide and high at least."""
    size = np.array(image_size, np.float64)
    boxes = boxes[inside(boxes, image_size)]
    low, high = np.clip(boxes[:, :2], 0, size), np.clip(boxes[:, 2:], 0, size)
    missing = np.maximum(MIN_SIDE - (high - low), 0)
    low = np.clip(low - missing / 2, 0, size - MIN_SIDE)
    return np.concatenate([low, np.maximum(high, low + MIN_SIDE)], axis=1).astype(np.float32)


def clip(boxes: np.ndarray, image_size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Cut boxes to the image.

    Returns:
        float32 (G, 4), and bool (G,): which of them still have sides of at least `MIN_SIDE` pixels.
    """
    width, height = image_size
    clipped = np.clip(boxes, 0, np.array([width, height, width, height])).astype(np.float32)
    kept = (clipped[:, 2:] - clipped[:, :2] >= MIN_SIDE).all(axis=1)
    return clipped, kept
