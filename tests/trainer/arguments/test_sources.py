import re

import pytest

from trainer.arguments import parse_arguments, read_arguments
from trainer.arguments.sources import read_file
from trainer.errors import TrainingError

NAMES = (
    "alpha, augment, backbone_learning_rate, batch_size, copy_paste, deterministic, early_stopping, epochs, freeze, "
    "freeze_statistics, frozen_part, ignore_memory, image_height, image_size, image_width, initial_learning_rate, jit, "
    "max_dimension, max_minutes, min_dimension, num_clones, precision, seed, steps, tiles, "
    "validation_fraction, weight_decay"
)
WAYS = "one of image_size, image_width with image_height, min_dimension with max_dimension"


def refused(sentence):
    return pytest.raises(TrainingError, match=f"^{re.escape(sentence)}$")


def test_separators_dashes_and_comments():
    asked = parse_arguments("epochs=40, batch-size=8;seed=3 # the third\n  image_size=352x288")

    assert asked == {"epochs": 40, "batch_size": 8, "seed": 3, "image_size": "352x288"}


def test_nothing_asks_for_nothing():
    assert parse_arguments("  ;, # epochs=3") == {}


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("num-steps=200", {"steps": 200}),
        ("num_train_steps=200", {"steps": 200}),
        ("num_epochs=3", {"epochs": 3}),
        ("learning_rate=0.01", {"initial_learning_rate": 0.01}),
        ("num_gpus=2", {"num_clones": 2}),
        ("image_height=96, image_width=128", {"image_size": "128x96"}),
        ("height=96, width=128", {"image_size": "128x96"}),
        ("min-dimension=600, max-dimension=1024", {"image_size": "600-1024"}),
    ],
)
def test_names_of_the_object_detection_api_are_understood(text, asked):
    assert parse_arguments(text) == asked


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("epoch=3", f"arguments: unknown name 'epoch'; expected one of: {NAMES}."),
        ("epochs", "arguments: 'epochs'; expected name=value, such as epochs=40."),
        ("epochs=3,num_epochs=3", "arguments: epochs twice; expected it once."),
        ("epochs=3,steps=9", "arguments: epochs=3 and steps=9; expected one of them. Leave one out."),
        ("image_height=96", "arguments: image_height without image_width; expected both, or image_size."),
        ("max_dimension=96", "arguments: max_dimension without min_dimension; expected both, or image_size."),
        (
            "image_height=96,image_size=96,image_width=96",
            f"arguments: image_size together with image_width; expected {WAYS}.",
        ),
        (
            "min_dimension=96,max_dimension=128,image_width=96,image_height=96",
            f"arguments: min_dimension together with image_width; expected {WAYS}.",
        ),
        (
            "image_height=300,image_width=320",
            "arguments: image_height=300; expected a multiple of 32 from 96 to 1536.",
        ),
        (
            "min_dimension=32,max_dimension=320",
            "arguments: min_dimension=32; expected a whole number of pixels from 96 to 1536.",
        ),
    ],
)
def test_what_cannot_be_said_is_refused_in_one_sentence(text, sentence):
    with refused(sentence):
        parse_arguments(text)


def test_the_later_source_wins(tmp_path):
    path = tmp_path / "boards.yaml"
    path.write_text("epochs: 100\nseed: 1\nimage-height: 96\nimage-width: 128\n")

    asked = read_arguments(path, "seed=2, batch_size=8", ["batch_size=4", "image_size=320"])

    assert asked == {"epochs": 100, "seed": 2, "batch_size": 4, "image_size": "320"}


def test_steps_of_a_later_source_replace_the_epochs_of_an_earlier_one(tmp_path):
    path = tmp_path / "boards.yaml"
    path.write_text("epochs: 100\n")

    assert read_arguments(path, "steps=50", []) == {"steps": 50}
    assert read_arguments(path, "steps=50", ["epochs=3"]) == {"epochs": 3}


def test_an_error_names_its_source():
    with refused("--set: seed=-1; expected a whole number from 0 to 4294967295."):
        read_arguments(None, "", ["seed=-1"])
    with refused("--set: seed twice; expected it once."):
        read_arguments(None, "", ["seed=1", "seed=2"])


def test_a_file_takes_values_as_they_are_written(tmp_path):
    path = tmp_path / "boards.yaml"
    path.write_text("# for the boards\nweight_decay: 1e-3\njit: on\naugment: none\nimage_size: 320 # a side\n")

    assert read_file(path) == {"weight_decay": 0.001, "jit": True, "augment": "none", "image_size": "320"}


def test_an_empty_file_asks_for_nothing(tmp_path):
    path = tmp_path / "boards.yaml"
    path.write_text("# nothing yet\n")

    assert read_file(path) == {}


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("epoch: 3", f"unknown name 'epoch'; expected one of: {NAMES}."),
        ("seed: 1\nseed: 2", "seed twice; expected it once."),
        ("epochs:", "epochs=; expected a whole number from 1 on, or auto."),
        (
            "- epochs",
            "a list at the top; expected YAML with one argument a line, such as epochs: 40.",
        ),
        (
            "seed: 1\nimage_size: [320, 240]",
            "line 2 holds more than a name and a value; expected YAML with one argument a line, such as epochs: 40.",
        ),
    ],
)
def test_a_file_that_says_something_else_is_refused(tmp_path, content, sentence):
    path = tmp_path / "boards.yaml"
    path.write_text(content)

    with refused(f"{path}: {sentence}"):
        read_file(path)


def test_a_file_that_is_no_yaml_is_refused_with_the_place(tmp_path):
    path = tmp_path / "boards.yaml"
    path.write_text("epochs: [")

    with pytest.raises(TrainingError) as caught:
        read_file(path)
    assert str(caught.value).startswith(f"{path}: while parsing a flow node")
    assert str(caught.value).endswith("; expected YAML with one argument a line, such as epochs: 40.")
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there(tmp_path):
    path = tmp_path / "boards.yaml"

    with refused(
        f"{path}: [Errno 2] No such file or directory: '{path}'; "
        "expected YAML with one argument a line, such as epochs: 40."
    ):
        read_arguments(path, "", [])
