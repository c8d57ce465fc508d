import numpy as np
import pytest
from PIL import Image

from runtime.boxes import iou
from trainer.assigner import IGNORED
from trainer.copy_paste import MAX_OBJECTS, PROBABILITY, choose, with_pasted_objects
from trainer.example import Example

SIZE = (160, 120)


def drawn(colour, *boxes, size=SIZE, class_id=1, scale=1):
    """Black, with boxes of a colour; decoded at a reduced scale."""
    pixels = np.zeros((size[1], size[0], 3), np.uint8)
    for x1, y1, x2, y2 in boxes:
        pixels[y1:y2, x1:x2] = colour
    image = Image.fromarray(pixels).resize((size[0] // scale, size[1] // scale))
    return Example(image, size, np.float32(boxes).reshape(-1, 4), np.full(len(boxes), class_id))


def pasted(into, source, seed):
    return with_pasted_objects(into, lambda: source, np.random.default_rng(seed))


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("scale", [1, 2])
def test_pasted_objects_lie_in_their_boxes_and_hide_nothing(seed, scale):
    into = drawn((255, 0, 0), (10, 10, 60, 50), scale=scale)

    found = pasted(into, drawn((0, 255, 0), (40, 40, 70, 60), class_id=4, scale=scale), seed)

    assert 2 <= len(found.boxes) <= 1 + MAX_OBJECTS
    assert found.class_ids.tolist() == [1] + [4] * (len(found.boxes) - 1)
    assert found.boxes.dtype == np.float32
    assert (found.boxes >= 0).all() and (found.boxes[:, 2:] <= SIZE).all()
    assert np.triu(iou(found.boxes, found.boxes), 1).max() < 0.1
    green = np.asarray(found.image)[..., 1] > 128
    inside = np.zeros_like(green)
    for x1, y1, x2, y2 in found.boxes[1:] / scale:
        middle = green[round(y1 * 0.8 + y2 * 0.2) : round(y1 * 0.2 + y2 * 0.8), round((x1 + x2) / 2)]
        assert middle.all()
        inside[int(y1) : round(y2 + 0.5), int(x1) : round(x2 + 0.5)] = True
    assert not green[~inside].any()


def test_the_example_itself_stays_as_it_is():
    into = drawn((255, 0, 0), (10, 10, 60, 50))
    before = np.array(into.image)

    pasted(into, drawn((0, 255, 0), (40, 40, 70, 60)), 0)

    assert np.array_equal(np.asarray(into.image), before)
    assert len(into.boxes) == 1


def test_an_object_is_as_large_in_a_larger_image_as_in_its_own():
    into, source = drawn((0, 0, 0), size=(320, 240)), drawn((0, 255, 0), (40, 40, 70, 60))

    sides = [box[2] - box[0] for seed in range(40) for box in pasted(into, source, seed).boxes]

    assert 40 <= min(sides) < 50 and 80 < max(sides) <= 90


@pytest.mark.parametrize(
    ("into", "source"),
    [
        (drawn((0, 0, 0)), drawn((0, 0, 0))),  # no object
        (drawn((0, 0, 0)), drawn((9, 9, 9), (0, 0, 160, 120), class_id=IGNORED)),
        (drawn((9, 9, 9), (0, 0, 160, 120)), drawn((0, 255, 0), (40, 40, 70, 60))),  # no place
        (drawn((9, 9, 9), (0, 0, 160, 120), class_id=IGNORED), drawn((0, 255, 0), (40, 40, 70, 60))),
    ],
)
def test_without_an_object_or_a_place_nothing_is_pasted(into, source):
    found = pasted(into, source, 0)

    assert len(found.boxes) == len(into.boxes)
    assert found.image is into.image


def test_an_object_that_fills_its_image_fits_only_smaller():
    found = [pasted(drawn((0, 0, 0)), drawn((0, 255, 0), (0, 0, 160, 120)), seed) for seed in range(20)]

    assert {len(example.boxes) for example in found} == {0, 1}
    assert all((example.boxes[:, 2] - example.boxes[:, 0] < 160).all() for example in found)


def test_the_smallest_object_is_pasted():
    source = drawn((0, 255, 0), (40, 40, 41, 41), scale=8)

    found = pasted(drawn((0, 0, 0), scale=8), source, 0)

    assert (found.boxes[:, 2:] > found.boxes[:, :2]).all() and len(found.boxes) >= 1


@pytest.mark.parametrize(
    ("side", "count", "labels", "probability", "reason"),
    [
        (33, 4, 2, PROBABILITY, "there are only 6 boxes of 2 labels"),
        (33, 4, 1, 0, "there is one label"),
        (31, 4, 2, 0, "most objects are less than a tenth"),
        (33, 197, 2, PROBABILITY, "there are only 199 boxes of 2 labels"),
        (33, 198, 2, 0, "there are 200 boxes of 2 labels"),
    ],
)
def test_it_is_for_a_few_objects_that_are_told_apart_by_themselves(side, count, labels, probability, reason):
    boxes = np.float32([[10, 10, 10 + side, 10 + side]] * count + [[0, 0, 400, 400], [0, 0, 5, 5]])

    chosen = choose(boxes, labels, (640, 160))

    assert chosen.probability == probability
    assert chosen.reason.startswith(reason)


@pytest.mark.parametrize("augment", ["weak", "none"])
def test_weaker_augmentation_has_none(augment):
    chosen = choose(np.float32([[0, 0, 100, 100]]), 2, (320, 320), augment=augment)

    assert chosen.probability == 0
    assert augment in chosen.reason
