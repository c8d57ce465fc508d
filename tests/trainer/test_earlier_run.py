import dataclasses
import re
import shutil

import numpy as np
import pytest

from trainer import datasets, earlier_run, train
from trainer.errors import TrainingError
from trainer.models import MODELS
from trainer.request import TrainingRequest
from trainer.run_directory import RunDirectory

SSD = MODELS["ssd-mobilenet-v2"]
SIZE = (96, 96)


def network(labels, aspects, size=SIZE):
    backbone = SSD.build_backbone(input_size=size, alpha=0.35)
    return SSD.build(num_classes=len(labels), input_size=size, aspects=aspects, backbone=backbone)


@pytest.fixture(scope="module")
def earlier(trained):
    return earlier_run.read(trained[0])


@pytest.fixture(scope="module")
def validation(trained):
    return datasets.read_dataset(RunDirectory(trained[0]).data, name="validation.json").samples


def answers(found, sample):
    """Scores (A, K) of the network for one image."""
    from runtime.image import decode
    from runtime.letterbox import Letterbox

    image = decode(sample.image.read_bytes(), found.input_size)
    pixels = Letterbox.fit(image.size, found.input_size).pixels(image.pixels)
    return found.predict(pixels[None])["scores"].numpy()[0]


def test_a_run_is_read(earlier, trained):
    assert (earlier.name, earlier.config.model, earlier.config.labels) == (
        "rectangles",
        "ssd-mobilenet-v2",
        ("bright", "dark"),
    )
    assert (earlier.config.alpha, earlier.config.input_size) == (0.35, (128, 96))
    assert earlier.weights.is_file()
    assert len(earlier.trained_on) == 24 - trained[1]["validation"]["images"]


def test_classes_are_matched_by_name(earlier, validation):
    """The second class of before is the first one now, and a class between them is new."""
    before = network(earlier.config.labels, earlier.config.aspects, (128, 96))
    before.keras_model.load_weights(earlier.weights)
    labels = ("dark", "striped", "bright")
    now = network(labels, earlier.config.aspects, (128, 96))
    earlier_run.transfer_weights(earlier, SSD, now, labels)

    old, new = answers(before, validation[0]), answers(now, validation[0])

    assert old.max(axis=0).min() > 0.5  # both rectangles are found: the comparison means something
    np.testing.assert_allclose(new[:, 0], old[:, 1], atol=1e-5)
    np.testing.assert_allclose(new[:, 2], old[:, 0], atol=1e-5)
    assert new[:, 1].max() < 0.2


def test_a_class_may_be_forgotten(earlier, validation):
    before = network(earlier.config.labels, earlier.config.aspects, (128, 96))
    before.keras_model.load_weights(earlier.weights)
    now = network(("dark",), earlier.config.aspects, (128, 96))
    earlier_run.transfer_weights(earlier, SSD, now, ("dark",))

    np.testing.assert_allclose(answers(now, validation[0])[:, 0], answers(before, validation[0])[:, 1], atol=1e-5)


def test_a_family_that_learns_all_classes_together_needs_the_same_labels(earlier):
    now = dataclasses.replace(network(("dark",), earlier.config.aspects), class_layers=())
    sentence = (
        "--base-model rectangles: labels bright, dark; expected dark in this order, since ssd-mobilenet-v2 has no "
        "weights of single classes. Pass --labels, or another base model."
    )

    with pytest.raises(TrainingError, match=f"^{re.escape(sentence)}$"):
        earlier_run.transfer_weights(earlier, SSD, now, ("dark",))


def test_damaged_weights_are_refused(earlier, tmp_path):
    damaged = tmp_path / "best-00001.weights.h5"
    damaged.write_bytes(earlier.weights.read_bytes()[:1000])
    labels = earlier.config.labels

    with pytest.raises(TrainingError, match=r"best-00001\.weights\.h5: .*; expected weights of ssd-mobilenet-v2"):
        earlier_run.transfer_weights(
            dataclasses.replace(earlier, weights=damaged), SSD, network(labels, earlier.config.aspects), labels
        )


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    sentence = f"--base-model: {str(tmp_path)!r} has no config.json; expected the folder of a run."

    with pytest.raises(TrainingError, match=f"^{re.escape(sentence)}$"):
        earlier_run.read(tmp_path)


def test_a_run_without_weights_is_refused(trained, tmp_path):
    run = tmp_path / "young"
    (run / "checkpoints").mkdir(parents=True)
    shutil.copy(trained[0] / "config.json", run)
    sentence = (
        f"--base-model: {str(run)!r} has no best weights; expected a run with at least one validation. "
        f"Finish it with --resume {run}, or choose another base model."
    )

    with pytest.raises(TrainingError, match=f"^{re.escape(sentence)}$"):
        earlier_run.read(run)


def test_notes_list_the_kept_classes(earlier, validation):
    assert earlier_run.notes(earlier, ("bright", "dark"), (128, 96), validation, model=SSD.name) == [
        "fine-tuning rectangles: keeps bright, dark; its anchor shapes stay"
    ]
    assert earlier_run.notes(earlier, ("dark", "striped"), (96, 96), validation, model=SSD.name) == [
        "fine-tuning rectangles: keeps dark; learns striped from scratch; drops bright; at 96x96 instead of 128x96; "
        "its anchor shapes stay"
    ]


def test_images_that_the_earlier_run_trained_on_are_counted(earlier, validation):
    known = dataclasses.replace(earlier, trained_on=frozenset(sample.content for sample in validation[:2]))

    assert earlier_run.notes(known, earlier.config.labels, (128, 96), validation, model=SSD.name)[1] == (
        f"2 of {len(validation)} validation images are training images of rectangles: scores on them are too high. "
        f"Hold out others with --validation or --split-file."
    )


def request(trained, rectangles, tmp_path, **changes):
    overrides = {"epochs": 1, "batch_size": 8, "augment": "none", **changes.pop("overrides", {})}
    return TrainingRequest(
        **{"exports": (rectangles,), "output": tmp_path / "next", "base_model": str(trained[0]), **changes},
        overrides=overrides,
    )


@pytest.mark.slow
def test_a_run_goes_on_from_an_earlier_one(trained, rectangles, tmp_path):
    """One epoch is enough: it starts where the other ended, at its input size and with its width."""
    summary = train.start(request(trained, rectangles, tmp_path, labels=["dark", "bright"]))

    assert summary["validation"]["map50"] > 0.9 * trained[1]["validation"]["map50"] > 0.5
    assert (
        "fine-tuning rectangles: keeps dark, bright; its anchor shapes stay" in (tmp_path / "next/log.txt").read_text()
    )
    config = (tmp_path / "next/config.json").read_text()
    assert '"base_model": "rectangles"' in config
    assert str(tmp_path.parent) not in config


def test_a_run_of_another_model_is_refused(trained, rectangles, tmp_path):
    sentence = (
        "--base-model rectangles: a run of ssd-mobilenet-v2; expected one of ssd-efficientnet-lite0. "
        "Pass --model ssd-mobilenet-v2, or another base model."
    )

    with pytest.raises(TrainingError, match=f"^{re.escape(sentence)}$"):
        train.start(request(trained, rectangles, tmp_path, model="ssd-efficientnet-lite0"))


def test_a_run_of_another_width_is_refused(trained, rectangles, tmp_path):
    sentence = "--base-model rectangles: alpha 0.35; expected 1.0. Leave alpha out or change it."

    with pytest.raises(TrainingError, match=f"^{re.escape(sentence)}$"):
        train.start(request(trained, rectangles, tmp_path, overrides={"alpha": 1.0}))


def test_more_frozen_blocks_than_there_are_is_refused(trained, rectangles, tmp_path):
    sentence = "arguments: freeze=18; expected a whole number of blocks from 0 to 17 with ssd-mobilenet-v2."

    with pytest.raises(TrainingError, match=f"^{re.escape(sentence)}$"):
        train.start(request(trained, rectangles, tmp_path, overrides={"freeze": 18}))
