import re
from pathlib import Path

import pytest
from PIL import Image

from preannotate.inference.errors import InferenceError
from preannotate.inference.function_process import FunctionProcess
from preannotate.inference.image_files import ImageFile


def test_the_directorys_own_runtime_answers(function, photos):
    """Not the project's, which the tests have on their path too."""
    detector = function / "nuclio" / "runtime" / "detector.py"
    text = detector.read_text()
    detector.write_text(text.replace("Detection(label, class_id,", 'Detection("own", class_id,'))

    with FunctionProcess(function / "nuclio") as process:
        answer = process.detect(ImageFile(photos / "a.png", "a.png"), None)

    assert [detection.label for detection in answer.detections] == ["own"]


def test_a_function_that_cannot_be_loaded_says_why(function):
    directory = function / "nuclio"
    path = directory / "model.json"
    path.write_text("{}")

    with pytest.raises(
        InferenceError,
        match=re.escape(
            f"{directory}: {path}: format None; expected 1. Build the function again with this version of Preannotate."
        ),
    ):
        FunctionProcess(directory)


def test_an_engine_that_ends_the_process_is_a_sentence(function, photos):
    directory = function / "nuclio"
    Image.new("RGB", (64, 64), (255, 0, 0)).save(photos / "red.png")

    with (
        FunctionProcess(directory) as process,
        pytest.raises(
            InferenceError,
            match=re.escape(
                f"{directory}: the worker failed (out of memory) while it had this request (last line: MemoryError: "
                f"all red); expected detections. "
                f"Run `preannotate check` on it."
            ),
        ),
    ):
        process.detect(ImageFile(photos / "red.png", "red.png"), None)


def test_a_file_that_vanished_is_the_failure_of_one_image(function, photos):
    with FunctionProcess(function / "nuclio") as process:
        failure = process.detect(ImageFile(Path(photos / "gone.png"), "gone.png"), None)
        answer = process.detect(ImageFile(photos / "b.png", "b.png"), None)

    assert failure.error == "No such file or directory."
    assert answer.size == (128, 64)
