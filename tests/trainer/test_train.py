"""Real training, kept small: a network of 0.5 million weights on images of 128 pixels."""

import csv
import json
import re
import shutil
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from support.training import newest_checkpoint

from evaluation import ground_truth, scores
from preannotate.formats.records import DatasetError
from runtime import engines
from runtime.detector import Detector
from runtime.manifest import Manifest
from trainer import augment, checkpoints, train
from trainer.checkpoints import BestEpoch, TrainingState
from trainer.errors import TrainingError
from trainer.models import MODELS
from trainer.models.batch_norm import BatchNormalization
from trainer.network_trainer import NetworkTrainer
from trainer.request import TrainingRequest
from trainer.run_directory import RunDirectory
from trainer.training_loop import TrainingLoop

SHORT = {"epochs": 3, "batch_size": 8, "image_size": "128x96"}


def request(rectangles, output, overrides=SHORT, **more):
    return TrainingRequest(exports=(rectangles,), output=output, base_model="none", overrides=overrides, **more)


def test_training_finds_its_rectangles(trained):
    _, summary = trained

    assert summary["labels"] == ["bright", "dark"]
    assert summary["validation"]["map50"] > 0.8


def test_the_saved_model_scores_as_the_network_did(trained):
    output, summary = trained
    export = output / "export"
    truth = ground_truth.read(export / "validation")
    detector = Detector(engines.load("tensorflow", export), Manifest.read(export))

    found = scores.score(truth.labels, truth.images, scores.detect_all(detector, truth))

    assert found.map50 == pytest.approx(summary["validation"]["map50"], abs=1e-6)
    assert found.mean_ap == pytest.approx(summary["validation"]["mean_ap"], abs=1e-6)


def test_the_summary_of_the_annotations_is_in_the_log_line_by_line(trained):
    output, _ = trained
    text = (output / "log.txt").read_text()

    assert re.search(r"^\S+ \S+ INFO \d+ images of \d+ used, \d+ boxes$", text, re.MULTILINE)
    assert "\\n" not in text


def test_a_run_directory_is_complete_and_holds_no_absolute_path(trained):
    output, _ = trained

    names = {path.name for path in output.iterdir()}
    assert names == {
        *("checkpoints", "config.json", "data", "dataset.json", "export", "log.txt", "measurements.json"),
        *("metrics.csv", "overlays", "progress.json", "report.html", "summary.json"),
    }
    for path in output.rglob("*"):
        if path.suffix in (".json", ".csv", ".txt", ".html"):
            assert str(output.parent) not in path.read_text(), path
    assert len(list((output / "overlays").iterdir())) == len(ground_truth.read(output / "export/validation").images)


def test_metrics_have_a_row_for_each_epoch(trained):
    output, summary = trained
    rows = list(csv.DictReader((output / "metrics.csv").open()))

    assert [int(row["epoch"]) for row in rows] == list(range(1, summary["epochs"] + 1))
    assert float(rows[-1]["class_loss"]) < float(rows[0]["class_loss"])
    assert float(rows[-1]["map50"]) > 0.5


def test_the_configuration_says_what_was_asked_and_what_was_decided(trained):
    output, _ = trained
    content = json.loads((output / "config.json").read_text())

    assert content["overrides"]["epochs"] == 30
    assert "freeze" not in content["overrides"]
    assert content["arguments"]["freeze"] == 0  # nothing pretrained
    assert content["arguments"]["image_size"] == "128x96"
    assert content["arguments"]["alpha"] == content["alpha"] == 0.35


@pytest.mark.slow
def test_steps_end_a_training_exactly_and_auto_chooses_a_model(rectangles, tmp_path):
    # Twenty images in batches of eight are three steps an epoch: the second epoch is cut short.
    train.start(request(rectangles, tmp_path / "run", overrides={**SHORT, "epochs": None, "steps": 4}, model="auto"))
    rows = list(csv.DictReader((tmp_path / "run" / "metrics.csv").open()))

    assert [int(row["step"]) for row in rows] == [3, 4]
    why = json.loads((tmp_path / "run" / "config.json").read_text())["recommendation"]
    assert why.startswith(
        "ssd-mobilenet-v2 is chosen (fast, about 1 minute on 2 CPU cores): without pretrained weights "
    )
    assert why in (tmp_path / "run" / "log.txt").read_text()


def test_the_manifest_says_where_the_model_comes_from(trained):
    output, _ = trained
    provenance = Manifest.read(output / "export").provenance

    assert provenance["arguments"]["epochs"] == 30
    assert provenance["images"]["train"] + provenance["images"]["validation"] == 24
    assert len(provenance["dataset"]) == 64
    assert provenance["base_model"] == "none"


def test_the_report_says_what_the_run_became(trained):
    output, summary = trained
    measured = json.loads((output / "measurements.json").read_text())
    page = (output / "report.html").read_text()

    assert measured["parity"]["only_noise"] and measured["parity"]["difference"]["unmatched"] == 0
    assert measured["parity"]["map50"]["exported SavedModel"] == pytest.approx(summary["validation"]["map50"], abs=1e-6)
    assert f"<dd>{summary['validation']['map50']:.2f}<small>" in page


def test_thresholds_cost_the_fewest_seconds_and_say_so(trained):
    output, summary = trained
    manifest = Manifest.read(output / "export")

    assert manifest.provenance["threshold_criterion"] == "fewest seconds of correction on the validation images"
    assert manifest.provenance["correction_costs"]["draw"] == 25
    assert list(summary["thresholds"].values()) == list(manifest.postprocess.thresholds)


@pytest.mark.slow
def test_a_resumed_run_equals_an_uninterrupted_one(rectangles, tmp_path, monkeypatch):
    train.start(request(rectangles, tmp_path / "whole"))

    record = TrainingLoop._record

    def record_then_die(self, state):
        record(self, state)
        if state.epoch == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(TrainingLoop, "_record", record_then_die)
    with pytest.raises(KeyboardInterrupt):
        train.start(request(rectangles, tmp_path / "first"))
    monkeypatch.undo()
    # What a killed process leaves half-written, and a run that was moved.
    shutil.move(tmp_path / "first", tmp_path / "moved")
    (tmp_path / "moved" / "checkpoints" / ".new").mkdir()
    train.resume(tmp_path / "moved")

    whole, moved = (newest_checkpoint(tmp_path / name) for name in ("whole", "moved"))
    assert whole.keys() == moved.keys()
    for name in whole:
        np.testing.assert_array_equal(whole[name], moved[name], err_msg=name)


def test_an_output_that_exists_is_refused(rectangles, tmp_path):
    (tmp_path / "mine.txt").write_text("precious")
    sentence = (
        f"{tmp_path}: exists and is not empty; expected a new folder. "
        f"Pass another --output, or --resume {tmp_path} to continue."
    )

    with pytest.raises(TrainingError, match=re.escape(sentence)):
        train.start(request(rectangles, tmp_path))


def test_an_unknown_model_is_refused_with_the_choices(rectangles, tmp_path):
    sentence = f"--model: unknown model 'retina'; expected one of: auto, {', '.join(sorted(MODELS))}."

    with pytest.raises(TrainingError, match=f"^{re.escape(sentence)}$"):
        train.start(request(rectangles, tmp_path / "run", model="retina"))


def test_a_run_that_was_never_started_cannot_be_resumed(tmp_path):
    sentence = f"{tmp_path}: no config.json; expected the folder of a run. Start one with train EXPORT."

    with pytest.raises(TrainingError, match=re.escape(sentence)):
        train.resume(tmp_path)


def test_a_loss_that_is_no_number_names_the_images(rectangles, tmp_path, monkeypatch):
    monkeypatch.setattr(NetworkTrainer, "train_step", lambda *_, **__: {"class_loss": float("nan"), "box_loss": 1.0})

    with pytest.raises(
        TrainingError, match=r"^step 0: class_loss nan, box_loss 1\.0; expected finite losses\. Look at "
    ):
        train.start(request(rectangles, tmp_path / "run"))


def test_the_last_quarter_of_the_epochs_is_the_closing_phase(rectangles, tmp_path, monkeypatch):
    shown = []

    class TrainedEnoughError(Exception):
        """The training itself is over."""

    def train_step(self, batch, *, closing, **_):
        self.step += 1
        shown.append(closing)
        return {"class_loss": 1.0}

    def of_phase(name, *, closing, **_):
        shown.append((name, closing))

    def enough(*_):
        raise TrainedEnoughError

    monkeypatch.setattr(NetworkTrainer, "train_step", train_step)
    monkeypatch.setattr(augment, "of_phase", of_phase)
    monkeypatch.setattr(train, "finalize_run", enough)
    with pytest.raises(TrainedEnoughError):
        train.start(request(rectangles, tmp_path / "run", overrides={**SHORT, "epochs": 4}))

    # Twenty images in batches of eight: three steps an epoch.
    assert shown == [("strong", False), *[False] * 3] * 3 + [("strong", True), *[True] * 3]


@pytest.mark.slow
def test_a_full_disk_keeps_the_epoch_before(rectangles, tmp_path, monkeypatch):
    import tensorflow as tf

    save, calls = tf.train.Checkpoint.write, []

    def full_at_second(self, path, *args, **kwargs):
        calls.append(path)
        if len(calls) == 2:
            raise OSError(28, "No space left on device")
        return save(self, path, *args, **kwargs)

    monkeypatch.setattr(tf.train.Checkpoint, "write", full_at_second)
    with pytest.raises(TrainingError, match="No space left on device; expected room for a checkpoint"):
        train.start(request(rectangles, tmp_path / "run"))

    assert [path.name for path in (tmp_path / "run" / "checkpoints").glob("epoch-*")] == ["epoch-00001"]
    assert json.loads((tmp_path / "run/checkpoints/epoch-00001/state.json").read_text())["epoch"] == 1


def test_a_validation_export_that_leaves_nothing_to_train_on_is_refused(rectangles, tmp_path):
    sentence = (
        f"--validation {rectangles}: 24 annotated images, which leaves 0 for training; expected some of each. "
        f"Hold out other images."
    )

    with pytest.raises(DatasetError, match=re.escape(sentence)):
        train.start(request(rectangles, tmp_path / "run", validation=(rectangles,)))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("before", "kept"), [(0.5, True), (0.89, False)])
def test_statistics_that_were_measured_again_are_in_the_weights_that_the_next_training_reads(
    tmp_path, monkeypatch, before, kept
):
    # Of 100 boxes, 0.9 is surely more than 0.5 and not surely more than 0.89.
    layers = [keras.Input((8, 8, 3)), keras.layers.Rescaling(1 / 255), BatchNormalization()]
    network = SimpleNamespace(
        keras_model=keras.Sequential(layers), backbone=SimpleNamespace(layers=[]), input_size=(8, 8)
    )
    config = SimpleNamespace(arguments=SimpleNamespace(tiles="none"))
    prepared = SimpleNamespace(ema_network=network, split=SimpleNamespace(train=()), config=config)
    validator = SimpleNamespace(scores=lambda: SimpleNamespace(mean_ap=0.9, boxes=100))
    monkeypatch.setattr(train, "serving_inputs", lambda *_: np.full((4, 8, 8, 3), 255, np.uint8))
    state = TrainingState(
        epoch=2, history=[{"epoch": 2, "mean_ap": before}], best=BestEpoch(epoch=2, progress=1.0, record=before)
    )
    run = RunDirectory(tmp_path)
    run.checkpoints.mkdir()
    checkpoints.save_best(run, network, 2)

    for _ in range(2):  # the second time as in a run that was killed after it
        checkpoints.load_best(run, network, state)
        train._renew_statistics(run, prepared, validator, state)
        exported = network.keras_model.get_weights()

        _, _, mean, _ = exported
        assert mean.tolist() == pytest.approx([1.0 if kept else 0.0] * 3)
        (weights,) = run.checkpoints.iterdir()  # what `earlier_run` reads
        network.keras_model.load_weights(weights)
        assert all(map(np.array_equal, network.keras_model.get_weights(), exported))
