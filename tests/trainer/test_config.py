import dataclasses
import re

import pytest

from trainer import config
from trainer.config import Config, parse_arguments
from trainer.errors import TrainingError


def test_separators_dashes_and_comments():
    parsed = parse_arguments("epochs=40, batch-size=8;seed=3 # the third\n  image_size=352x288")

    assert parsed == Config(epochs=40, batch_size=8, seed=3, image_size="352x288")


def test_nothing_is_the_default():
    assert parse_arguments("") == Config()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "epoch=3",
            "arguments: unknown name 'epoch'; expected one of: alpha, augment, backbone_learning_rate, batch_size, "
            "deterministic, early_stopping, epochs, freeze, frozen_part, image_size, initial_learning_rate, jit, "
            "max_minutes, num_clones, precision, seed, steps, validation_fraction, weight_decay.",
        ),
        ("epochs", "arguments: 'epochs'; expected name=value, such as epochs=40."),
        (
            "epochs=many",
            "arguments: epochs=many; expected a whole number from 0 on (0: by the number of images).",
        ),
        ("batch_size=0", "arguments: batch_size=0; expected a whole number from 1 to 1024."),
        (
            "image_size=300",
            "arguments: image_size=300; expected auto, a side such as 320, or WIDTHxHEIGHT, multiples of 32 from "
            "96 to 1536.",
        ),
        ("augment=much", "arguments: augment=much; expected one of strong, weak, none."),
        ("alpha=2", "arguments: alpha=2; expected one of 0.35, 0.5, 0.75, 1.0, 1.3, 1.4 (0: chosen)."),
        ("steps=-1", "arguments: steps=-1; expected a whole number from 0 on (0: as many as the epochs have)."),
        ("num_clones=0", "arguments: num_clones=0; expected a whole number of GPUs from 1 to 64."),
        (
            "precision=float16",
            "arguments: precision=float16; expected one of float32, mixed_float16, mixed_bfloat16.",
        ),
        ("jit=perhaps", "arguments: jit=perhaps; expected true or false."),
        ("deterministic=2", "arguments: deterministic=2; expected true or false."),
        (
            "initial_learning_rate=nan",
            "arguments: initial_learning_rate=nan; expected a number in [0, 1] (0: chosen).",
        ),
    ],
)
def test_what_cannot_be_is_refused_with_the_choices(text, sentence):
    with pytest.raises(TrainingError, match=f"^{re.escape(sentence)}$"):
        parse_arguments(text)


def test_every_argument_is_checked():
    assert {field.name for field in dataclasses.fields(Config)} == set(config._CHECKS)


def test_every_default_passes_its_own_check():
    text = ",".join(f"{name}={value}" for name, value in dataclasses.asdict(Config()).items())

    assert parse_arguments(text) == Config()


def test_a_written_configuration_is_read_back(tmp_path):
    settings = Config(epochs=7, image_size="320")
    config.write(settings, tmp_path / "config.json", labels=["ä"])

    assert config.read(tmp_path / "config.json") == (settings, {"labels": ["ä"]})


def test_a_broken_configuration_is_one_sentence(tmp_path):
    path = tmp_path / "config.json"
    path.write_text("{")

    with pytest.raises(TrainingError, match=r"expected the configuration of a run\. Train again\.$"):
        config.read(path)


def test_small_datasets_get_more_epochs():
    assert Config().epochs_for(10, pretrained=True) == config.MAX_EPOCHS
    assert Config().epochs_for(120, pretrained=True) == 50
    assert Config().epochs_for(140, pretrained=False) == 100
    assert Config().epochs_for(10_000, pretrained=True) == config.MIN_EPOCHS
    assert Config(epochs=3).epochs_for(20, pretrained=True) == 3


def test_yes_and_no_have_several_spellings():
    assert parse_arguments("jit=on, deterministic=True") == Config(jit=True, deterministic=True)
    assert parse_arguments("jit=no, deterministic=0") == Config()


def test_steps_become_epochs():
    # Twenty images in batches of eight are three steps.
    assert Config(steps=6, batch_size=8).epochs_for(20, pretrained=True) == 2
    assert Config(steps=7, batch_size=8).epochs_for(20, pretrained=True) == 3


def test_the_rate_follows_what_training_starts_from():
    assert Config().learning_rate(pretrained=True) == 2e-3
    assert Config().learning_rate(pretrained=False) == 6e-3
    assert Config(initial_learning_rate=0.01).learning_rate(pretrained=False) == 0.01
