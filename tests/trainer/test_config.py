import pytest

from trainer import config
from trainer.config import TrainingConfig, parse_range, parse_size
from trainer.errors import TrainingError


def test_a_size_is_one_side_or_two():
    assert parse_size("320") == (320, 320)
    assert parse_size("352X288") == (352, 288)
    assert [parse_size(text) for text in ("300", "64", "1568", "x", "320x", "96x96x96", "auto", "²²")] == [None] * 8


def test_a_range_is_a_shorter_and_a_longer_side():
    assert parse_range("600-1024") == (600, 1024)
    assert [parse_range(text) for text in ("600", "1024-600", "64-320", "600-2000", "a-b", "-600")] == [None] * 6


def test_a_written_configuration_is_read_back(tmp_path):
    settings = TrainingConfig(epochs=7, image_size="320")
    config.write(settings, tmp_path / "config.json", labels=["ä"])

    assert config.read(tmp_path / "config.json") == (settings, {"labels": ["ä"]})


def test_a_broken_configuration_is_one_sentence(tmp_path):
    path = tmp_path / "config.json"
    path.write_text("{")

    with pytest.raises(TrainingError, match=r"expected the configuration of a run\. Train again\.$"):
        config.read(path)
