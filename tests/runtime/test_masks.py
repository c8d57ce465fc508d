"""Masks of single objects: pixels in, the same pixels out, compact and bounded."""

import numpy as np
import pytest

from runtime.masks import InstanceMask, intersection, mask_iou

# An L of 4 pixels: columns 2-3, rows 1-3 of an image of 6 x 5.
PIXELS = np.array([[0, 0, 0, 0, 0, 0], [0, 0, 1, 0, 0, 0], [0, 0, 1, 0, 0, 0], [0, 0, 1, 1, 0, 0], [0, 0, 0, 0, 0, 0]])


def _mask(left: int, top: int, rows: list[str]) -> InstanceMask:
    mask = InstanceMask.from_bitmap(np.array([[mark == "#" for mark in row] for row in rows]), left, top)
    assert mask is not None
    return mask


def test_a_mask_is_cut_to_its_pixels_and_gives_them_back() -> None:
    mask = InstanceMask.from_bitmap(PIXELS)
    assert mask is not None
    assert (mask.left, mask.top, mask.width, mask.height, mask.area) == (2, 1, 2, 3, 4)
    assert mask.box == (2.0, 1.0, 4.0, 4.0)
    assert mask.runs.tolist() == [0, 1, 1, 1, 1, 2]
    assert mask.bitmap.tolist() == [[True, False], [True, False], [True, True]]
    assert np.array_equal(mask.to_image((6, 5)), PIXELS == 1)


def test_random_bitmaps_come_back_from_runs_and_json() -> None:
    rng = np.random.default_rng(3)
    for _ in range(100):
        bitmap = rng.random(rng.integers(1, 9, 2)) < rng.random()
        mask = InstanceMask.from_bitmap(bitmap, 5, 7)
        if mask is None:
            assert not bitmap.any()
            continue
        assert np.array_equal(mask.moved(-5, -7).to_image(bitmap.shape[::-1]), bitmap)
        assert InstanceMask.from_json(mask.to_json()) == mask
        assert hash(InstanceMask.from_json(mask.to_json())) == hash(mask)


def test_runs_of_a_larger_rectangle_are_cut_and_zeros_in_between_joined() -> None:
    mask = InstanceMask.from_runs([3, 1, 0, 1, 4], left=10, top=20, width=3, height=3)  # row 1, columns 0 and 1
    assert mask == _mask(10, 21, ["##"])


def test_no_pixel_is_no_mask() -> None:
    assert InstanceMask.from_bitmap(np.zeros((3, 4))) is None
    assert InstanceMask.from_bitmap(np.zeros((0, 4))) is None
    assert InstanceMask.from_runs([12], left=0, top=0, width=4, height=3) is None


@pytest.mark.parametrize(
    ("runs", "size"),
    [
        ([1, 2], (2, 2)),
        ([1, 4], (2, 2)),
        ([5, -1], (2, 2)),
        ([], (2, 2)),
        ([0.5, 3.5], (2, 2)),
        ([2**62, 2**62, 2**62, 2**62, 4], (2, 2)),
        ([2**63, 2**63, 4], (2, 2)),
        ([4], (0, 2)),
        ([10**12], (10**6, 10**6)),
    ],
)
def test_runs_that_do_not_fill_their_rectangle_are_refused(runs: list[int], size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="mask: "):
        InstanceMask.from_runs(runs, left=0, top=0, width=size[0], height=size[1])


@pytest.mark.parametrize(
    "change",
    [
        {"runs": [0.0, 1.0]},
        {"runs": "01"},
        {"runs": [True]},
        {"runs": [10**30]},
        {"runs": [1]},
        {"width": 10**9},
        {"left": 0.5},
        {"top": float("nan")},
        {"height": None},
    ],
)
def test_json_of_something_else_is_refused(change: dict[str, object]) -> None:
    good = _mask(0, 0, ["#"]).to_json()
    with pytest.raises(ValueError, match="mask: "):
        InstanceMask.from_json({**good, **change})
    with pytest.raises(ValueError, match="mask: "):
        InstanceMask.from_json({key: good[key] for key in good if key not in change})


def test_a_cut_keeps_the_place_in_the_image() -> None:
    mask = _mask(2, 1, ["#.", "#.", "##"])
    assert mask.cut((0, 0, 6, 5)) is mask
    assert mask.cut((0, 3, 6, 5)) == _mask(2, 3, ["##"])
    assert mask.cut((3, 0, 6, 5)) == _mask(3, 3, ["#"])
    assert mask.cut((3, 0, 6, 3)) is None  # inside its rectangle, but of the background
    assert mask.cut((4, 0, 6, 5)) is None
    assert mask.moved(-3, 0).to_image((2, 4)).sum() == 1


def test_masks_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="read-only"):
        _mask(0, 0, ["#"]).runs[0] = 3


def test_iou_counts_pixels() -> None:
    bar, block, far = _mask(0, 0, ["####"]), _mask(2, 0, ["##", "##"]), _mask(9, 9, ["#"])
    assert intersection(bar, block) == 2
    # 2 of both by 4 + 4 - 2 of either.
    assert np.allclose(mask_iou([bar, far], [block, bar]), [[1 / 3, 1.0], [0.0, 0.0]])
    assert mask_iou([], [bar]).shape == (0, 1)


def test_an_enlarged_mask_has_blocks_in_place_of_pixels() -> None:
    rng = np.random.default_rng(5)
    for _ in range(50):
        bitmap = rng.random(rng.integers(1, 6, 2)) < 0.5
        mask, times = InstanceMask.from_bitmap(bitmap), int(rng.integers(1, 4))
        if mask is not None:
            expected = InstanceMask.from_bitmap(np.kron(bitmap, np.ones((times, times))))
            assert mask.enlarged(times) == expected
            assert not mask.enlarged(times).runs.flags.writeable
