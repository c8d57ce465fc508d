import re

import pytest

from evaluation import kept_detections
from runtime.detector import Detection


def test_what_is_written_is_read_back(tmp_path):
    found = [[Detection("y", 1, 0.5, (1.0, 2.0, 3.5, 4.25)), Detection("x", 0, 0.25, (0.0, 0.0, 1.0, 1.0))], []]

    kept_detections.write(tmp_path, found)

    assert kept_detections.read(tmp_path, ("x", "y")) == found


def test_a_class_that_is_not_there_is_one_sentence(tmp_path):
    kept_detections.write(tmp_path, [[Detection("y", 1, 0.5, (1.0, 2.0, 3.5, 4.25))]])
    sentence = (
        f"{tmp_path}/keras.json: IndexError tuple index out of range; expected what the Keras network found. "
        f"Train again."
    )

    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        kept_detections.read(tmp_path, ("x",))
