import re

import numpy as np
import pytest

from evaluation import ground_truth
from evaluation.ground_truth import AnnotatedImage
from runtime.masks import InstanceMask


def test_what_is_written_is_read_back(tmp_path):
    boxes = np.float32([[1, 2, 3.5, 4.25]])
    image = AnnotatedImage("ä/b.jpg", "images/1.jpg", (640, 480), boxes, np.array([1]))
    empty = AnnotatedImage("c.jpg", "images/2.jpg", (1, 1), np.zeros((0, 4), np.float32), np.zeros(0, np.int64))
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "1.jpg").write_bytes(b"bytes")

    ground_truth.write(tmp_path, ["x", "y"], [image, empty])
    truth = ground_truth.read(tmp_path)

    assert truth.labels == ("x", "y")
    assert [(i.name, i.file, i.size) for i in truth.images] == [(i.name, i.file, i.size) for i in (image, empty)]
    np.testing.assert_array_equal(truth.images[0].boxes, boxes)
    assert truth.images[0].class_ids.tolist() == [1]
    assert truth.images[1].boxes.shape == (0, 4)
    assert truth.data(truth.images[0]) == b"bytes"


def test_masks_are_kept(tmp_path):
    mask = InstanceMask.from_bitmap(np.eye(3), 1, 2)
    boxes = np.float32([[1, 2, 4, 5], [0, 0, 9, 9]])
    outlined = AnnotatedImage("a.jpg", "a.jpg", (20, 10), boxes, np.array([1, 0]), (mask, None))
    plain = AnnotatedImage("b.jpg", "b.jpg", (20, 10), boxes, np.array([1, 0]))
    ground_truth.write(tmp_path, ["x", "y"], [outlined, plain])

    assert [image.masks for image in ground_truth.read(tmp_path).images] == [(mask, None), ()]
    path = tmp_path / "ground_truth.json"
    assert path.read_text().count('"masks"') == 1
    path.write_text(path.read_text().replace("null", "null, null"))
    with pytest.raises(ValueError, match=r"a\.jpg: 3 masks of 2 boxes"):
        ground_truth.read(tmp_path)


def test_a_broken_file_is_one_sentence(tmp_path):
    (tmp_path / "ground_truth.json").write_text('{"labels": ["x"]}')
    sentence = (
        f"{tmp_path}/ground_truth.json: KeyError 'images'; expected the frozen validation images of a run. Train again."
    )

    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        ground_truth.read(tmp_path)
