from dataclasses import replace
from pathlib import Path

from trainer import measured_models
from trainer.models import MODELS, listing

PAGE = (Path(__file__).parents[3] / "docs" / "training.md").read_text(encoding="utf-8")


def test_the_documentation_holds_the_table_that_the_code_prints():
    for heading, table in listing.tables(MODELS).items():
        assert table.markdown() in PAGE, "paste what `preannotate models --markdown` prints"
        assert heading in PAGE


def test_every_model_says_when_to_choose_it():
    assert all(family.when_to_choose for family in MODELS.values())


def test_what_was_measured_is_shown_and_the_rest_says_so(monkeypatch):
    measured = {
        "relative_to": "ssd-mobilenet-v2",
        "input_size": [320, 320],
        "batch_size": 4,
        "machine": {"date": "2026-11-25", "cores": "2"},
        "models": {"ssd-mobilenet-v2": {"parameters": 2_640_000, "training": 1.0, "inference": 1.04}},
    }
    monkeypatch.setattr(measured_models, "measured", lambda: measured)
    heading, table = listing.tables(
        {"ssd-mobilenet-v2": MODELS["ssd-mobilenet-v2"], "another": replace(MODELS["frcnn-nas"], name="another")}
    ).popitem()

    assert heading == (
        "Times relative to ssd-mobilenet-v2: a step of fine-tuning on 4 images and OpenVINO on one, 320x320, 2 cores, "
        "2026-11-25"
    )
    assert table.rows[0][:5] == ("ssd-mobilenet-v2", "boxes", "2.6", "1", "1")
    assert table.rows[1][:5] == ("another", "boxes", "not measured", "not measured", "not measured")


def test_which_models_learn_outlines_is_said_in_plain_words():
    ((_, table),) = listing.tables(MODELS).items()

    learns = {row[0]: row[1] for row in table.rows}
    assert learns["yolox-nano"] == learns["frcnn-resnet50"] == "boxes"
    assert learns["yolox-nano-seg"] == learns["mask-rcnn-resnet50"] == "boxes and outlines"
