"""Similar images have similar descriptors."""

import io

import numpy as np
import pytest
from PIL import Image, ImageFilter

from preannotate.active_learning.ranking.diversity import describe, distances
from runtime.errors import ImageError


def written(image, **more):
    stream = io.BytesIO()
    image.save(stream, **({"format": "PNG"} | more))
    return stream.getvalue()


def scene(seed):
    noise = np.random.default_rng(seed).integers(0, 255, (6, 8, 3), np.uint8)
    return Image.fromarray(noise).resize((320, 240), Image.Resampling.BICUBIC)


def test_a_near_duplicate_is_five_times_closer_than_another_scene():
    image = scene(1)
    again = image.filter(ImageFilter.GaussianBlur(1)).crop((3, 2, 320, 240))
    descriptors = np.stack(
        [describe(written(image)), describe(written(again, format="JPEG")), describe(written(scene(2)))]
    )

    away = distances(descriptors, descriptors)

    assert away[0, 1] * 5 < away[0, 2]
    assert away[0, 0] < 0.01


def test_a_plain_wall_has_no_gradients():
    descriptors = describe(written(Image.new("RGB", (64, 64), (200, 10, 10))))

    assert descriptors.shape == (176,)
    assert descriptors.dtype == np.float32
    assert not descriptors[48:].any()


def test_a_broken_image_is_an_error():
    with pytest.raises(ImageError):
        describe(b"no image")
