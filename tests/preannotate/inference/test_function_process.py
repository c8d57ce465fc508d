import re
from pathlib import Path

import pytest
from PIL import Image

from preannotate.inference import function_process, worker_process
from preannotate.inference.function_process import FunctionPool, FunctionProcess, processes_for
from preannotate.inference.images import ImageDetections, ImageFile, InferenceError


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


def draw(path, size, box):
    """A black picture with one red box."""
    image = Image.new("RGB", size)
    image.paste((255, 0, 0), box)
    image.save(path)


@pytest.mark.parametrize(("images", "processes"), [(0, 1), (1, 1), (19, 1), (20, 2), (39, 3), (40, 4), (1000, 4)])
def test_as_many_processes_as_are_worth_starting(monkeypatch, images, processes):
    monkeypatch.setattr(function_process, "cores", lambda: 4)
    assert processes_for(images) == processes


def test_answers_keep_the_order_of_the_images_and_all_processes_work(function, tmp_path):
    handler = function / "nuclio" / "model_handler.py"
    handler.write_text(handler.read_text() + '\nPath(__file__).with_name(f"started-{os.getpid()}").touch()\n')
    images = []
    for number in range(12):
        draw(tmp_path / f"{number}.png", (64, 64), (0, 0, number + 1, 8))
        images.append(ImageFile(tmp_path / f"{number}.png", f"{number}.png"))

    with FunctionPool(function / "nuclio", 3) as pool:
        answers = list(pool.map(images, None, lambda image, answer: (image.name, answer)))

    assert [name for name, _ in answers] == [f"{number}.png" for number in range(12)]
    assert [answer.detections[0].box for _, answer in answers] == [(0, 0, number + 1, 8) for number in range(12)]
    assert len(list((function / "nuclio").glob("started-*"))) == 3


def test_threads_are_shared(function, monkeypatch, photos):
    monkeypatch.setattr(worker_process, "cores", lambda: 8)
    monkeypatch.delenv("MODEL_THREADS", raising=False)
    engine = function / "nuclio" / "runtime" / "engines" / "fake.py"
    engine.write_text(engine.read_text() + '\nimport os, sys\nassert os.environ["MODEL_THREADS"] == "4"\n')
    with FunctionPool(function / "nuclio", 2) as pool:
        assert pool.labels == ("Kätzchen & <co>", "dog")


def test_a_process_that_ends_is_one_sentence_and_no_other_image_waits(function, photos):
    draw(photos / "red.png", (64, 64), (0, 0, 64, 64))
    images = [ImageFile(photos / name, name) for name in ["a.png", "red.png"] + ["b.png"] * 20]
    directory = function / "nuclio"
    sentence = (
        f"{directory}: the worker failed (out of memory) while it had this request (last line: MemoryError: all red); "
        f"expected detections. "
        f"Run `preannotate check` on it."
    )
    with (
        FunctionPool(directory, 2) as pool,
        pytest.raises(InferenceError, match=f"^{re.escape(sentence)}$"),
    ):
        for answer in pool.map(images, None, lambda image, answer: answer):
            assert isinstance(answer, ImageDetections)


def test_a_function_that_cannot_be_loaded_leaves_no_process(function):
    (function / "nuclio" / "model.json").write_text("{}")
    with pytest.raises(InferenceError, match=r"format None; expected 1\."):
        FunctionPool(function / "nuclio", 3)


def test_what_is_done_with_an_answer_may_fail(function, photos):
    def fail(image, answer):
        raise InferenceError(f"{image.name}: no.")

    with (
        FunctionPool(function / "nuclio", 2) as pool,
        pytest.raises(InferenceError, match=r"^a\.png: no\.$"),
    ):
        list(pool.map([ImageFile(photos / "a.png", "a.png")], None, fail))
