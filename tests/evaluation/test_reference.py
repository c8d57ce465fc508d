import re

import pytest

from evaluation import reference
from evaluation.reference import Reference
from runtime.detector import Detection


def test_what_is_written_is_read_back(tmp_path):
    found = [[Detection("ö", 1, 0.75, (1.0, 2.0, 3.5, 4.25))], []]
    reference.write(tmp_path, Reference("Keras 3", found))

    assert reference.read(tmp_path, ["x", "ö"]) == Reference("Keras 3", found)


def test_a_broken_file_is_one_sentence(tmp_path):
    (tmp_path / "reference.json").write_text("[")
    sentence = (
        f"{tmp_path}/reference.json: JSONDecodeError Expecting value: line 1 column 2 (char 1); "
        "expected the detections of a reference. Train or import again."
    )

    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        reference.read(tmp_path, ["x"])
