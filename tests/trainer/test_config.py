import json

import pytest
from support.training import training_config

from trainer.config import Decision, RunConfig, parse_range, parse_size
from trainer.errors import TrainingError


def test_a_size_is_one_side_or_two():
    assert parse_size("320") == (320, 320)
    assert parse_size("352X288") == (352, 288)
    assert [parse_size(text) for text in ("300", "64", "1568", "x", "320x", "96x96x96", "auto", "²²")] == [None] * 8


def test_a_range_is_a_shorter_and_a_longer_side():
    assert parse_range("600-1024") == (600, 1024)
    assert [parse_range(text) for text in ("600", "1024-600", "64-320", "600-2000", "a-b", "-600")] == [None] * 6


def run_config(*, pretrained=False):
    return RunConfig(
        arguments=training_config(epochs=7, early_stopping=None),
        overrides={"epochs": 7, "early_stopping": None},
        model="ssd-mobilenet-v2",
        labels=("ä",),
        base_model="imagenet" if pretrained else "none",
        pretrained=pretrained,
        alpha=0.35,
        input_size=(96, 96),
        aspects=(0.5, 2.0),
        decisions=(Decision("batch_size=8", "the usual number"),),
    )


def test_a_written_configuration_is_read_back(tmp_path):
    config = run_config()
    config.write(tmp_path / "config.json")

    assert RunConfig.read(tmp_path / "config.json") == config


@pytest.mark.parametrize("pretrained", [True, False])
def test_a_run_of_before_some_arguments_is_read_as_it_was_trained(tmp_path, pretrained):
    path = tmp_path / "config.json"
    run_config(pretrained=pretrained).write(path)
    content = json.loads(path.read_text())
    del content["arguments"]["freeze_statistics"], content["arguments"]["copy_paste"], content["decisions"]
    path.write_text(json.dumps(content))

    config = RunConfig.read(path)

    assert config.arguments.freeze_statistics == pretrained
    assert config.arguments.copy_paste == 0
    assert config.decisions == ()


@pytest.mark.parametrize("content", ["{", "{}", "[]", None])
def test_a_broken_configuration_is_one_sentence(tmp_path, content):
    path = tmp_path / "config.json"
    if content:
        path.write_text(content)

    with pytest.raises(TrainingError, match=r"expected the configuration of a run\. Train again\.$"):
        RunConfig.read(path)
