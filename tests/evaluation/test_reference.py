import re

import pytest

from evaluation import reference
from evaluation.reference import Reference
from runtime.detector import Detection
from runtime.masks import InstanceMask


def test_what_is_written_is_read_back(tmp_path):
    found = [[Detection("ö", 1, 0.75, (1.0, 2.0, 3.5, 4.25))], []]
    reference.write(tmp_path, Reference("Keras 3", found))

    assert reference.read(tmp_path, ["x", "ö"]) == Reference("Keras 3", found)


def test_masks_are_kept(tmp_path):
    mask = InstanceMask.from_bitmap([[1, 0], [1, 1]], 3, 4)
    found = [[Detection("x", 0, 0.75, (3.0, 4.0, 5.0, 6.0), mask), Detection("x", 0, 0.5, (1.0, 1.0, 2.0, 2.0))]]
    reference.write(tmp_path, Reference("Keras 3", found))

    assert reference.read(tmp_path, ["x"]).detections == found


def test_a_broken_file_is_one_sentence(tmp_path):
    (tmp_path / "reference.json").write_text("[")
    sentence = (
        f"{tmp_path}/reference.json: JSONDecodeError Expecting value: line 1 column 2 (char 1); "
        "expected the detections of a reference. Train or import again."
    )

    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        reference.read(tmp_path, ["x"])
