import pytest

from trainer import measured_models
from trainer.arguments.defaults import Defaults
from trainer.measured_models import estimate_minutes, training_memory

# A step on 320x320 takes the reference 0.05 s for each image, the other one twice as long.
MEASURED = {
    "input_size": [320, 320],
    "seconds_per_image": 0.05,
    "models": {
        "reference": {"training": 1.0, "memory_gb": 2.5},
        "slow": {"training": 2.0},
        "without": {"training": None},
    },
}
DEFAULTS = dict.fromkeys(("reference", "slow", "without", "unknown"), Defaults())


@pytest.fixture(autouse=True)
def content(monkeypatch):
    monkeypatch.setattr(measured_models, "measured", lambda: MEASURED)


def test_minutes_follow_the_images_shown_and_the_pixels():
    # 20 epochs of 120 images are 2 400 images, 120 s on the input of the measurement.
    assert estimate_minutes(DEFAULTS, 120, (320, 320), epochs=20) == {"reference": 2.0, "slow": 4.0}
    assert estimate_minutes(DEFAULTS, 120, (640, 320), epochs=20) == {"reference": 4.0, "slow": 8.0}


def test_whichever_limit_comes_first_counts():
    limited = estimate_minutes(DEFAULTS, 120, (320, 320), epochs=20, max_minutes=3.0)
    assert limited == {"reference": 2.0, "slow": 3.0}
    # 75 steps of 16 images are 1 200.
    assert Defaults().batch_size == 16
    assert estimate_minutes(DEFAULTS, 120, (320, 320), epochs=20, steps=75) == {"reference": 1.0, "slow": 2.0}
    assert estimate_minutes(DEFAULTS, 120, (320, 320), steps=75) == {"reference": 1.0, "slow": 2.0}


def test_minutes_alone_are_used_up():
    assert estimate_minutes(DEFAULTS, 120, (320, 320), max_minutes=20.0) == {"reference": 20.0, "slow": 20.0}


def test_without_epochs_the_default_of_the_model_counts():
    epochs = Defaults().epochs(120, pretrained=True)

    assert estimate_minutes(DEFAULTS, 120, (320, 320)) == estimate_minutes(DEFAULTS, 120, (320, 320), epochs=epochs)


def test_only_measured_memory_is_known():
    assert training_memory() == {"reference": 2.5}
