"""From outputs of a network to masks, with maps of a few cells and the arithmetic beside them."""

from typing import Any

import numpy as np
import pytest

from runtime import mask_composition
from runtime.errors import EngineError
from runtime.letterbox import Letterbox
from runtime.manifest import MaskHead, MaskKind
from runtime.mask_composition import compose
from runtime.masks import InstanceMask

PROTOTYPES = MaskHead(MaskKind.PROTOTYPES)
BOX_MASKS = MaskHead(MaskKind.BOX_MASKS)
SAME = Letterbox.fit((8, 8), (8, 8))


def _outputs(boxes: Any, **outputs: Any) -> dict[str, np.ndarray]:
    return {"boxes": np.array(boxes, np.float32), **{name: np.array(out, np.float32) for name, out in outputs.items()}}


def _rectangle(mask: InstanceMask) -> tuple[int, int, int, int]:
    """The mask, which must be a full rectangle: xyxy."""
    assert mask.area == mask.width * mask.height
    return mask.left, mask.top, mask.left + mask.width, mask.top + mask.height


def test_the_product_of_coefficients_and_prototypes_is_cut_to_the_box() -> None:
    # 4x4 cells of 2 pixels: one prototype is positive on the left half, the other on the upper one.
    left = np.where(np.arange(4) < 2, 10, -10) * np.ones((4, 1))
    outputs = _outputs(
        [[0, 0, 8, 8], [2, 1, 6, 7], [0, 0, 8, 8], [5, 5, 6, 6]],
        prototypes=np.stack([left, left.T], axis=-1),
        mask_coefficients=[[1, 0], [-1, 0], [0, 1], [-1, 0]],
    )
    masks = compose(outputs, [0, 1, 2, 3], SAME, PROTOTYPES)
    assert [_rectangle(mask) for mask in masks] == [(0, 0, 4, 8), (4, 1, 6, 7), (0, 0, 8, 4), (5, 5, 6, 6)]
    assert compose(outputs, [2], SAME, PROTOTYPES) == masks[2:3]
    assert compose(outputs, [], SAME, PROTOTYPES) == []


def test_a_mask_of_a_letterboxed_image_is_in_its_pixels_and_takes_nothing_from_the_padding() -> None:
    # 32x16 pixels in an input of 8x8: a quarter of the size. The lower half is padding, with a prototype far below 0.
    prototype = np.full((4, 4, 1), -100.0)
    prototype[:2, :2] = 1
    outputs = _outputs([[0, 0, 8, 4]], prototypes=prototype, mask_coefficients=[[1]])
    (mask,) = compose(outputs, [0], Letterbox.fit((32, 16), (8, 8)), PROTOTYPES)
    # Between the cells 1 (probability 0.73) and 2 (0), 0.5 is reached after 0.316 of the 8 pixels that a cell has.
    assert _rectangle(mask) == (0, 0, 12 + round(0.316 * 8), 16)


def test_the_edge_is_interpolated_to_parts_of_a_cell() -> None:
    # Logarithm of the odds: 0.9 and 0.3 in two cells of 100 pixels; 0.5 at 2/3 of the way: pixel 50 + 66.7.
    prototype = np.log([0.9 / 0.1, 0.3 / 0.7]).reshape(1, 2, 1)
    outputs = _outputs([[0, 0, 200, 100]], prototypes=prototype, mask_coefficients=[[1]])
    (mask,) = compose(outputs, [0], Letterbox.fit((200, 100), (200, 100)), PROTOTYPES)
    assert _rectangle(mask) == (0, 0, 117, 100)


def test_dynamic_kernels_equal_the_convolutions_cell_by_cell() -> None:
    rng = np.random.default_rng(42)
    head = MaskHead(MaskKind.KERNELS, (3, 2, 1))
    features, kernels = rng.normal(size=(4, 4, 5)), rng.normal(size=(2, 3 * 7 + 2 * 3 + 2 + 3 + 2 + 1))
    locations = np.array([[3, 2, 8], [6, 6, 4]])
    outputs = _outputs(
        [[0, 0, 8, 8]] * 2, mask_features=features, mask_kernels=kernels, mask_locations=locations, scores=[]
    )
    for row, mask in enumerate(compose(outputs, [0, 1], Letterbox.fit((4, 4), (8, 8)), head)):
        expected = np.zeros((4, 4), bool)
        w1, w2, w3, b1, b2, b3 = np.split(kernels[row], np.cumsum([21, 6, 2, 3, 2]))
        x, y, divisor = locations[row]
        for j in range(4):
            for i in range(4):
                relative = [(x - (2 * i + 1)) / divisor, (y - (2 * j + 1)) / divisor]
                hidden = np.maximum(w1.reshape(3, 7) @ [*relative, *features[j, i]] + b1, 0)
                hidden = np.maximum(w2.reshape(2, 3) @ hidden + b2, 0)
                expected[j, i] = w3 @ hidden + b3[0] >= 0
        assert 0 < expected.sum() < 16
        assert np.array_equal(mask.to_image((4, 4)), expected)  # a pixel of the image is a cell


def test_a_kernel_that_looks_at_its_place_only() -> None:
    outputs = _outputs(
        [[0, 0, 8, 8]], mask_features=np.zeros((4, 4, 1)), mask_kernels=[[9, 0, 0, 0]], mask_locations=[[4, 4, 1]]
    )
    (mask,) = compose(outputs, [0], SAME, MaskHead(MaskKind.KERNELS, (1,)))
    assert _rectangle(mask) == (0, 0, 4, 8)


def test_a_mask_in_its_box_is_stretched_to_it() -> None:
    outputs = _outputs([[2, 0, 6, 8]], masks=[[[1, 0], [1, 0]]])
    (mask,) = compose(outputs, [0], SAME, BOX_MASKS)
    assert _rectangle(mask) == (2, 0, 4, 8)


def test_of_a_box_that_leaves_the_image_the_part_inside_is_kept_where_it_was() -> None:
    # 16 pixels wide, of which the image shows the right half: the second of two cells is the object, and fills it.
    outputs = _outputs([[-8, 0, 8, 8]], masks=[[[0, 1], [0, 1]]])
    (mask,) = compose(outputs, [0], SAME, BOX_MASKS)
    assert _rectangle(mask) == (0, 0, 8, 8)


def test_boxes_between_pixels_and_of_no_size_have_a_mask_in_the_image() -> None:
    boxes = [[0.6, 0.6, 1.2, 1.2], [7.99, 7.99, 8, 8], [3, 3, 3.02, 8], [0, 0, 8, 8]]
    for outputs, head in (
        (_outputs(boxes, masks=np.ones((4, 28, 28))), BOX_MASKS),
        (_outputs(boxes, prototypes=np.ones((4, 4, 1)), mask_coefficients=np.ones((4, 1))), PROTOTYPES),
    ):
        for mask in compose(outputs, range(4), SAME, head):
            assert mask.cut((0, 0, 8, 8)) is mask


@pytest.mark.parametrize("value", [-50.0, np.nan, np.inf, -np.inf])
def test_a_detection_always_has_a_pixel(value: float) -> None:
    prototype = np.full((4, 4, 1), value)
    outputs = _outputs([[1, 1, 7, 7]], prototypes=prototype, mask_coefficients=[[1]])
    (mask,) = compose(outputs, [0], SAME, PROTOTYPES)
    assert _rectangle(mask) == (1, 1, 7, 7)


def test_where_nothing_reaches_the_threshold_the_likeliest_part_is_taken() -> None:
    prototype = np.full((4, 4, 1), -9.0)
    prototype[1, 1] = -1  # 0.27
    outputs = _outputs([[0, 0, 8, 8]], prototypes=prototype, mask_coefficients=[[1]])
    (mask,) = compose(outputs, [0], SAME, PROTOTYPES)
    assert _rectangle(mask) == (2, 2, 4, 4)


def test_a_large_object_is_made_of_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mask_composition, "MAX_RESAMPLED", 100)
    y, x = np.mgrid[:40, :40] + 0.5
    disc = ((x - 20) ** 2 + (y - 20) ** 2 < 15**2).astype(float)
    outputs = _outputs([[0, 0, 33, 35], [0, 0, 40, 40]], masks=[disc, disc])
    size = (40, 40)
    for row, mask in enumerate(compose(outputs, [0, 1], Letterbox.fit(size, size), BOX_MASKS)):
        width, height = outputs["boxes"][row, 2:]
        y, x = np.mgrid[:40, :40] + 0.5
        exact = ((x * 40 / width - 20) ** 2 + (y * 40 / height - 20) ** 2 < 15**2) & (x < width) & (y < height)
        found = mask.to_image(size)
        assert (found & exact).sum() / (found | exact).sum() > 0.8
        assert mask.cut((0, 0, int(width), int(height))) is mask


@pytest.mark.parametrize("box", [[-np.inf, 0, 4, 8], [0, 0, np.inf, 8], [-np.inf, -np.inf, np.inf, np.inf]])
def test_a_box_without_end_has_a_mask_in_the_image(box: list[float]) -> None:
    outputs = _outputs([box], masks=np.ones((1, 28, 28)))
    (mask,) = compose(outputs, [0], SAME, BOX_MASKS)
    assert _rectangle(mask) == tuple(np.clip(box, 0, 8))


KERNELS = MaskHead(MaskKind.KERNELS, (1,))


@pytest.mark.parametrize(
    ("head", "outputs"),
    [
        (PROTOTYPES, {"masks": (1, 2, 2)}),
        (PROTOTYPES, {"prototypes": (2, 2, 3), "mask_coefficients": (1, 4)}),
        (PROTOTYPES, {"prototypes": (2, 2, 3), "mask_coefficients": (2, 3)}),  # of two boxes
        (PROTOTYPES, {"prototypes": (3, 2, 2), "mask_coefficients": (1, 2)}),  # 3 rows in 8 pixels
        (PROTOTYPES, {"prototypes": (0, 2, 2), "mask_coefficients": (1, 2)}),
        (PROTOTYPES, {"prototypes": (), "mask_coefficients": (1, 2)}),
        (KERNELS, {"mask_features": (2, 2, 3), "mask_kernels": (1, 5), "mask_locations": (1, 3)}),
        (KERNELS, {"mask_features": (2, 2, 3), "mask_kernels": (1, 6), "mask_locations": (1, 2)}),
        (BOX_MASKS, {"masks": (1, 4)}),
        (BOX_MASKS, {"masks": (2, 4, 4)}),
        (BOX_MASKS, {"masks": (1, 0, 4)}),
    ],
)
@pytest.mark.parametrize("rows", [[0], []])  # also before anything is found, when a function is loaded
def test_outputs_that_do_not_fit_the_manifest(head: MaskHead, outputs: dict[str, Any], rows: list[int]) -> None:
    shaped = {name: np.zeros(shape, np.float32) for name, shape in outputs.items()}
    with pytest.raises(EngineError, match=r"^model\.json: .+; expected .+\. Build the function again\.$"):
        compose({"boxes": np.zeros((1, 4), np.float32), **shaped}, rows, SAME, head)
