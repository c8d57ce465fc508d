import re

import numpy as np
import pytest

from evaluation import ground_truth
from evaluation.ground_truth import AnnotatedImage


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


def test_a_broken_file_is_one_sentence(tmp_path):
    (tmp_path / "ground_truth.json").write_text('{"labels": ["x"]}')
    sentence = (
        f"{tmp_path}/ground_truth.json: KeyError 'images'; expected the frozen validation images of a run. Train again."
    )

    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        ground_truth.read(tmp_path)
