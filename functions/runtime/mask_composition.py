"""From the outputs of a network to the masks of the objects that are kept: once, for every engine, in NumPy.

Of each object only the part of the maps below its box is computed, as probabilities; resampled to the pixels of the
image that its box touches; and cut at `MASK_THRESHOLD`.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from PIL import Image

from runtime.boxes import clip
from runtime.engines import MASK_OUTPUTS
from runtime.errors import EngineError
from runtime.manifest import MaskHead, MaskKind
from runtime.masks import InstanceMask
from runtime.tiles import View

# A pixel belongs to the object from this probability on.
MASK_THRESHOLD = 0.5
# Of one mask, at most so many pixels are resampled: a larger one is made of blocks of pixels. No network knows more of
# an object of this size, and time and memory stay bounded whatever the size of the image is.
MAX_RESAMPLED = 4_000_000
# Cells beside the box that the interpolation reaches.
_MARGIN = 2
# Image pixels. A network may give an infinite corner, which is none of the frame of a mask.
_FAR = 1e9
# (x1, y1, x2, y2) in cells of a map, and the probabilities of these cells.
_Region = tuple[int, int, int, int]


def compose(
    outputs: Mapping[str, np.ndarray],
    rows: Sequence[int],
    view: View,
    head: MaskHead,
) -> list[InstanceMask]:
    """Compose the masks of some boxes of one image.

    Args:
        outputs: As `runtime.engines.Engine.run` gives them, of one image: without their first axis.
        rows: Which of the N boxes.
        view: Where in the image the input is: all of it, or a tile.
        head: How to read the outputs.

    Returns:
        One for each row, in image pixels and inside of the image. A mask has a pixel at least: where none reaches the
        threshold, those that are half as probable as the most probable one.

    Raises:
        EngineError: The outputs do not fit `head`.
    """
    _check_outputs(outputs, view.input_size, head)
    boxes = outputs["boxes"]
    with np.errstate(all="ignore"):  # where the outputs are no numbers is no object
        if head.kind is MaskKind.BOX_MASKS:
            return [_in_box(outputs["masks"][row], boxes[row], view) for row in rows]
        probabilities = (_prototypes if head.kind is MaskKind.PROTOTYPES else _kernels)(outputs, view, head)
        map_size = outputs[MASK_OUTPUTS[head.kind][1]].shape[1::-1]
        return [_under_box(probabilities, row, boxes[row], map_size, view) for row in rows]


def _check_outputs(outputs: Mapping[str, np.ndarray], input_size: tuple[int, int], head: MaskHead) -> None:
    """Raise EngineError if an output of masks is missing or has another shape than `runtime.engines.Engine` says."""
    if missing := [name for name in MASK_OUTPUTS[head.kind] if name not in outputs]:
        raise EngineError(
            f"model.json: mask_head of kind {head.kind.value}, and the network gives no {' and no '.join(missing)}; "
            f"expected a network with masks. Build the function again."
        )
    count = len(outputs["boxes"])
    of_boxes, *others = (outputs[name].shape for name in MASK_OUTPUTS[head.kind])
    if others:
        maps, *locations = others
        channels = maps[-1] if len(maps) == 3 else 0
        length = channels if head.kind is MaskKind.PROTOTYPES else _kernel_numbers(channels, head)
        fits = of_boxes == (count, length) and len(maps) == 3 and min(maps) > 0 and locations in ([], [(count, 3)])
        fits = fits and not input_size[0] % maps[1] and not input_size[1] % maps[0]
        expected = f"{count} rows of {length} numbers, and maps whose cells divide {input_size} pixels evenly"
    else:
        fits = len(of_boxes) == 3 and of_boxes[0] == count and min(of_boxes[1:]) > 0
        expected = f"{count} masks"
    if not fits:
        shapes = ", ".join(f"{name} {outputs[name].shape}" for name in MASK_OUTPUTS[head.kind])
        raise EngineError(f"model.json: outputs {shapes}; expected {expected}. Build the function again.")


def _kernel_numbers(channels: int, head: MaskHead) -> int:
    """Return how many numbers the dynamic convolutions of an object have, over so many features."""
    into = (channels + 2, *head.layers[:-1])
    return sum(out * (inputs + 1) for out, inputs in zip(head.layers, into, strict=True))


def _prototypes(outputs: Mapping[str, np.ndarray], view: View, head: MaskHead) -> Callable[[int, _Region], np.ndarray]:
    coefficients, prototypes = outputs["mask_coefficients"], outputs["prototypes"]

    def probabilities(row: int, region: _Region) -> np.ndarray:
        x1, y1, x2, y2 = region
        return _sigmoid(prototypes[y1:y2, x1:x2] @ coefficients[row])

    return probabilities


def _kernels(outputs: Mapping[str, np.ndarray], view: View, head: MaskHead) -> Callable[[int, _Region], np.ndarray]:
    kernels, features, locations = (outputs[name] for name in MASK_OUTPUTS[MaskKind.KERNELS])
    channels = (features.shape[-1] + 2, *head.layers)
    shapes = list(zip(channels[1:], channels[:-1], strict=True))
    weights = sum(out * into for out, into in shapes)
    height, width = features.shape[:2]
    stride_x, stride_y = view.input_size[0] / width, view.input_size[1] / height

    def probabilities(row: int, region: _Region) -> np.ndarray:
        x1, y1, x2, y2 = region
        x, y, divisor = locations[row]
        values = np.empty((y2 - y1, x2 - x1, channels[0]), np.float32)
        values[..., 0] = (x - (np.arange(x1, x2, dtype=np.float32) + 0.5) * stride_x) / divisor
        values[..., 1] = ((y - (np.arange(y1, y2, dtype=np.float32) + 0.5) * stride_y) / divisor)[:, None]
        values[..., 2:] = features[y1:y2, x1:x2]
        at, bias_at = 0, weights
        for number, (out, into) in enumerate(shapes):
            weight = kernels[row, at : at + out * into].reshape(out, into)
            values = values @ weight.T + kernels[row, bias_at : bias_at + out]
            at, bias_at = at + out * into, bias_at + out
            if number < len(shapes) - 1:
                np.maximum(values, 0, out=values)
        return _sigmoid(values[..., 0])

    return probabilities


def _under_box(
    probabilities: Callable[[int, _Region], np.ndarray],
    row: int,
    box_input: np.ndarray,
    map_size: tuple[int, ...],
    view: View,
) -> InstanceMask:
    """Compose a mask from the cells of a map that lie below the box."""
    x1, y1, x2, y2 = pixels = _pixels_of(view.to_image(box_input)[0], view)
    # Only cells that show something of the image: what lies beyond its edge is padding.
    width, height = (
        min(cells, -(-shown * cells // side))
        for cells, shown, side in zip(map_size, view.shown, view.input_size, strict=True)
    )
    scale_x, scale_y = (
        scale * cells / side for scale, cells, side in zip(view.scales, map_size, view.input_size, strict=True)
    )
    begin_x, begin_y = (
        corner * cells / side for corner, cells, side in zip(view.corner, map_size, view.input_size, strict=True)
    )
    # Where the pixels are in cells of the map.
    cx1, cx2 = x1 * scale_x - begin_x, x2 * scale_x - begin_x
    cy1, cy2 = y1 * scale_y - begin_y, y2 * scale_y - begin_y
    left, top = max(int(cx1) - _MARGIN, 0), max(int(cy1) - _MARGIN, 0)
    right, bottom = min(int(cx2) + 1 + _MARGIN, width), min(int(cy2) + 1 + _MARGIN, height)
    region = min(left, width - 1), min(top, height - 1), right, bottom
    source = cx1 - region[0], cy1 - region[1], cx2 - region[0], cy2 - region[1]
    return _resampled(probabilities(row, region), source, pixels)


def _in_box(mask: np.ndarray, box_input: np.ndarray, view: View) -> InstanceMask:
    """Compose a mask from one that fills its box, also where the box lies outside of the image."""
    # As `View.to_image`, but not clipped: the mask is in the frame of the whole box.
    corners = (np.asarray(box_input, np.float64).reshape(2, 2) + view.corner) / view.scales
    corners = np.clip(corners, -_FAR, _FAR)
    bx1, by1, bx2, by2 = corners.reshape(4).tolist()
    x1, y1, x2, y2 = pixels = _pixels_of(view.to_image(box_input)[0], view)
    height, width = mask.shape
    scale_x, scale_y = width / (bx2 - bx1), height / (by2 - by1)
    source = ((x1 - bx1) * scale_x, (y1 - by1) * scale_y, (x2 - bx1) * scale_x, (y2 - by1) * scale_y)
    # The first and the last pixel may stick out of the box: its outermost cells go on there.
    beyond = int(np.ceil(max(1, -source[0], -source[1], source[2] - width, source[3] - height)))
    if beyond > max(width, height):  # a box far smaller than a pixel
        return InstanceMask(x1, y1, 1, 1, np.array([0, 1]))
    source = tuple(value + beyond for value in source)  # type: ignore[assignment]
    return _resampled(np.pad(mask, beyond, mode="edge"), source, pixels)


def _pixels_of(box_image: np.ndarray, view: View) -> tuple[int, int, int, int]:
    """Return the pixels that a box touches, as xyxy; at least one of the image."""
    width, height = view.image_size
    outwards = np.concatenate([np.floor(box_image[:2]), np.ceil(box_image[2:])])
    x1, y1, x2, y2 = (int(value) for value in clip(outwards[None], view.image_size)[0])
    x1, y1 = min(x1, width - 1), min(y1, height - 1)
    return x1, y1, max(x2, x1 + 1), max(y2, y1 + 1)


def _resampled(
    probabilities: np.ndarray, source: tuple[float, float, float, float], pixels: tuple[int, int, int, int]
) -> InstanceMask:
    """Return the mask of the image pixels `pixels`, which are the part `source` of a map of probabilities."""
    x1, y1, x2, y2 = pixels
    block = 1
    while (x2 - x1) * (y2 - y1) > MAX_RESAMPLED * block**2:
        block += 1
    columns, rows = max((x2 - x1) // block, 1), max((y2 - y1) // block, 1)
    # Whole blocks: the last pixels of each line may not fill one.
    covered_x, covered_y = min(columns * block / (x2 - x1), 1), min(rows * block / (y2 - y1), 1)
    left, top, right, bottom = source
    right, bottom = left + (right - left) * covered_x, top + (bottom - top) * covered_y
    # Pillow's filter is that of bilinear interpolation, between the centres of cells; shrinking, it averages.
    values = np.nan_to_num(np.asarray(probabilities, np.float32), nan=0.0, posinf=1.0, neginf=0.0)
    height, width = values.shape
    inside = (max(left, 0), max(top, 0), min(right, width), min(bottom, height))
    image = Image.fromarray(values).resize((columns, rows), Image.Resampling.BILINEAR, inside)
    resampled = np.asarray(image)
    bitmap = resampled >= MASK_THRESHOLD
    if not bitmap.any():
        bitmap = resampled >= resampled.max() / 2
    mask = InstanceMask.from_bitmap(bitmap)
    if mask is None:
        raise AssertionError("the greatest value reaches half of itself")
    if block > 1:  # of a box that is thinner than a block, too much
        mask = mask.enlarged(block).cut((0, 0, x2 - x1, y2 - y1)) or mask
    return mask.moved(x1, y1)


def _sigmoid(values: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-values))
