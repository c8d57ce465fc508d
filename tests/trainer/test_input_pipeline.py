from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from runtime.image import decode
from runtime.letterbox import Letterbox
from runtime.manifest import MaskHead, MaskKind
from runtime.masks import InstanceMask
from trainer import datasets
from trainer.anchors import generate
from trainer.assigner import IGNORED, NEGATIVE
from trainer.augment import STRENGTHS
from trainer.input_pipeline import Epoch, ImageCache, Shard, batches
from trainer.models.ssd import SsdNetwork
from trainer.placed_masks import instance_masks

SIZE = (96, 64)


@pytest.fixture(scope="module")
def samples(rectangles, tmp_path_factory):
    return datasets.load_dataset([rectangles], tmp_path_factory.mktemp("store")).samples[:10]


@pytest.fixture(scope="module")
def network():
    """Anchors are all that the pipeline needs of a network."""
    anchors, levels = generate(SIZE, [8, 16])
    return SsdNetwork(None, None, (), SIZE, 2, (), anchors, levels)


def collect(samples, network, epoch):
    images = ImageCache(samples, SIZE, exact=epoch.augmentation is None)
    return [{name: value.numpy() for name, value in batch.items()} for batch in batches(images, network, epoch)]


def test_unaugmented_pixels_are_those_of_serving(samples, network):
    for batch in collect(samples, network, Epoch(0, 0, 4, None)):
        for pixels, index in zip(batch["pixels"], batch["index"], strict=True):
            image = decode(samples[index].image.read_bytes(), SIZE)
            np.testing.assert_array_equal(pixels, Letterbox.fit(image.size, SIZE).pixels(image.pixels))


def test_a_photo_that_is_decoded_at_reduced_scale_is_so_in_training_too(samples, network, tmp_path):
    """What is learnt from and what judges a training are the pixels that serving sees."""
    path = tmp_path / "photo.jpg"
    noise = np.random.default_rng(0).integers(0, 255, (480, 720, 3), np.uint8)
    Image.fromarray(noise).save(path, quality=90)
    photo = replace(samples[0], image=path, image_size=(720, 480))
    served = decode(path.read_bytes(), SIZE)
    assert served.pixels.size < served.size == (720, 480)

    (batch,) = collect([photo], network, Epoch(0, 0, 1, None))
    np.testing.assert_array_equal(batch["pixels"][0], Letterbox.fit(served.size, SIZE).pixels(served.pixels))
    for example in (ImageCache([photo], SIZE, exact=False)[0], ImageCache([photo], SIZE, exact=True)[0]):
        assert example.image.size < example.size == (720, 480)


def test_every_image_is_shown_and_the_last_batch_is_filled(samples, network):
    found = collect(samples, network, Epoch(3, 0, 4, None))

    assert [len(batch["index"]) for batch in found] == [4, 4, 4]
    assert set(np.concatenate([batch["index"] for batch in found])) == set(range(10))


def test_an_epoch_follows_from_its_seed_and_number_alone(samples, network):
    first, again = (collect(samples, network, Epoch(1, 5, 5, STRENGTHS["strong"])) for _ in range(2))
    other = collect(samples, network, Epoch(1, 6, 5, STRENGTHS["strong"]))

    for a, b in zip(first, again, strict=True):
        assert all(np.array_equal(a[name], b[name]) for name in a)
    assert not np.array_equal(first[0]["pixels"], other[0]["pixels"])


def test_targets_lie_on_the_rectangles(samples, network):
    """Bright rectangles are class 0, dark ones class 1: the anchors' boxes must show it."""
    batch = collect(samples, network, Epoch(0, 0, 10, None))[0]

    for pixels, classes, boxes in zip(batch["pixels"], batch["gt_classes"], batch["gt_boxes"], strict=True):
        assert set(classes) == {-1, 0, 1}
        for class_id, box in zip(classes, boxes, strict=True):
            if class_id >= 0:
                x1, y1, x2, y2 = np.rint(box).astype(int)
                value = pixels[y1 + 2 : y2 - 2, x1 + 2 : x2 - 2].mean()
                assert value > 200 if class_id == 0 else value < 60


def test_ignore_regions_reach_the_network(samples, network):
    unsure = [replace(one, boxes=one.boxes[:0], class_ids=one.class_ids[:0], ignored=one.boxes) for one in samples]

    sure = collect(samples, network, Epoch(0, 0, 10, None))[0]
    found = collect(unsure, network, Epoch(0, 0, 10, None))[0]

    assert set(found["gt_classes"].ravel()) == {NEGATIVE, IGNORED}
    assert (found["gt_classes"][sure["gt_classes"] >= 0] == IGNORED).all()
    assert IGNORED in np.concatenate(
        [batch["gt_classes"].ravel() for batch in collect(unsure, network, Epoch(1, 2, 5, STRENGTHS["strong"]))]
    )


class MaskNetwork(SsdNetwork):
    """Asks for masks in cells of four pixels; at most eight boxes."""

    mask_head = MaskHead(MaskKind.PROTOTYPES)

    @property
    def target_spec(self):
        return {"cells": tf.TensorSpec((8, 16, 24), tf.uint8), "known": tf.TensorSpec((8,), tf.bool)}

    def targets_with_masks(self, gt_boxes, gt_classes, gt_masks, rng):
        more = 8 - len(gt_boxes)
        cells, known = instance_masks(gt_masks, len(gt_boxes), self.input_size, 4)
        return {"cells": np.pad(cells, [(0, more), (0, 0), (0, 0)]), "known": np.pad(known, (0, more))}


def test_masks_are_made_for_networks_that_ask(samples):
    network = MaskNetwork(None, None, (), SIZE, 2, (), *generate(SIZE, [8, 16]))
    width, height = samples[0].image_size
    whole = InstanceMask.from_bitmap(np.ones((height, width)))
    first = replace(
        samples[0],
        boxes=np.float32([[0, 0, width, height], [0, 0, 9, 9]]),
        class_ids=np.array([0, 1]),
        ignored=np.float32([[0, 0, 5, 5]]),
        masks=(whole, None),
    )
    (batch,) = collect([first], network, Epoch(0, 0, 1, None))

    assert batch["known"][0].tolist() == [True, *[False] * 7]
    resized = Letterbox.fit((width, height), SIZE).resized
    assert batch["cells"][0, 0].sum() == round(resized[0] / 4) * round(resized[1] / 4)
    assert not batch["cells"][0, 1:].any()

    (batch,) = collect([replace(first, masks=())], network, Epoch(0, 0, 1, None))
    assert not batch["known"].any()


def test_parts_of_each_batch_are_together_the_whole():
    positions = np.arange(12)

    assert Shard(0, 2).of(positions, 6).tolist() == [0, 1, 2, 6, 7, 8]
    assert Shard(1, 2).of(positions, 6).tolist() == [3, 4, 5, 9, 10, 11]
    assert Shard().of(positions, 6).tolist() == positions.tolist()
