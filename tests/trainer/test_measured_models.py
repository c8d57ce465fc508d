import pytest

from trainer import measured_models
from trainer.arguments import parse_arguments
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


def minutes(text="", *, images=120, size=(320, 320), defaults=DEFAULTS, **options):
    return estimate_minutes(defaults, images, lambda _: size, parse_arguments(text), **options)


def test_minutes_follow_the_images_shown_and_the_pixels():
    # 20 epochs of 120 images in batches of 12 are 2 400 images, 120 s on the input of the measurement.
    assert minutes("epochs=20,batch_size=12") == {"reference": 2.0, "slow": 4.0}
    assert minutes("epochs=20,batch_size=12", size=(640, 320)) == {"reference": 4.0, "slow": 8.0}


def test_the_last_batch_of_an_epoch_is_filled_up():
    assert Defaults().batch_size == 16
    # 25 epochs of 8 steps of 16 images are 3 200.
    assert minutes("epochs=25")["reference"] == pytest.approx(3200 * 0.05 / 60)


def test_a_requested_batch_size_changes_the_images_of_each_step():
    # 375 steps as with batches of 16: of 120 images, 94 epochs of 4 steps of 30.
    defaults = {"reference": Defaults(passes=6000)}

    assert minutes("batch_size=30", defaults=defaults) == {"reference": pytest.approx(94 * 4 * 30 * 0.05 / 60)}
    assert minutes("steps=100,batch_size=30") == {"reference": 2.5, "slow": 5.0}


def test_large_inputs_come_in_smaller_batches():
    # 4 times the pixels of the usual input: 8 images in a step, not 16.
    assert minutes("steps=75", size=(640, 640))["reference"] == pytest.approx(75 * 8 * 4 * 0.05 / 60)


def test_each_model_has_its_own_input_size():
    defaults = {"reference": Defaults(side=320), "slow": Defaults(side=640)}
    found = estimate_minutes(defaults, 120, lambda side: (side, side), {"steps": 75, "batch_size": 16})

    assert found == {"reference": 1.0, "slow": 8.0}


def test_a_time_limit_counts_if_it_comes_first():
    assert minutes("epochs=20,batch_size=12,max_minutes=3") == {"reference": 2.0, "slow": 3.0}
    # 75 steps of 16 images are 1 200.
    assert minutes("steps=75,max_minutes=1.5") == {"reference": 1.0, "slow": 1.5}


def test_minutes_alone_are_used_up():
    assert minutes("max_minutes=20") == {"reference": 20.0, "slow": 20.0}


@pytest.mark.parametrize("pretrained", [True, False])
def test_without_epochs_the_default_of_the_model_counts(pretrained):
    epochs = Defaults().epochs(120, pretrained=pretrained)

    assert minutes(pretrained=pretrained) == minutes(f"epochs={epochs}", pretrained=pretrained)


def test_only_measured_memory_is_known():
    assert training_memory() == {"reference": 2.5}
