import dataclasses

import pytest

from preannotate.synthetic import write_export
from trainer import preparation
from trainer.datasets import read_dataset
from trainer.models import MODELS
from trainer.request import TrainingRequest
from trainer.run_directory import RunDirectory

FAMILY = "ssd-mobilenet-v2"


@pytest.fixture(scope="module")
def export(tmp_path_factory):
    return write_export(tmp_path_factory.mktemp("drawn") / "export", 12, seed=1, size=(96, 64), masks=True)


def kept_masks(export, folder, **overrides):
    """How many masks the two parts of a run have, in memory and in its folder."""
    run = RunDirectory(folder)
    request = TrainingRequest(exports=(export,), output=folder, model=FAMILY, overrides=overrides)
    dataset, split = preparation._load(request, run)
    stored = [read_dataset(run.data, name=name) for name in ("train.json", "validation.json")]
    assert [part.samples for part in stored] == [split.train, split.validation]
    is_learnt = MODELS[FAMILY].learns_masks
    assert ("learnt as outlines" in dataset.health.to_text()) == is_learnt
    assert ("turned into boxes" in dataset.health.to_text()) == (not is_learnt)
    assert sum(len(part.samples) for part in stored) == len(dataset.samples) == 12
    return [sum(len(sample.masks) for sample in part) for part in (split.train, split.validation)]


def test_a_network_that_finds_boxes_has_no_masks(export, tmp_path):
    assert kept_masks(export, tmp_path) == [0, 0]


def test_masks_that_are_only_pasted_are_those_of_training_images(export, tmp_path):
    train, validation = kept_masks(export, tmp_path, copy_paste=0.5)
    assert train > 20
    assert validation == 0


def test_a_network_that_learns_masks_is_scored_on_them(export, tmp_path, monkeypatch):
    monkeypatch.setitem(MODELS, FAMILY, dataclasses.replace(MODELS[FAMILY], learns_masks=True))
    train, validation = kept_masks(export, tmp_path)
    assert train > 20
    assert validation > 1
