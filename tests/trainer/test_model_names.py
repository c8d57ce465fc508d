import re

import pytest

from trainer.errors import TrainingError
from trainer.model_names import ALIASES, resolve

KNOWN = [*ALIASES.values(), "ssd-efficientnet-lite0"]
CHOICES = (
    "auto, frcnn-inception-resnet-v2, frcnn-nas, frcnn-resnet101, frcnn-resnet50, ssd-efficientnet-lite0, "
    "ssd-mobilenet-v2"
)


def refused(sentence):
    return pytest.raises(TrainingError, match=f"^{re.escape(sentence)}$")


def test_todays_names_are_taken_as_they_are():
    assert [resolve(name, KNOWN) for name in KNOWN] == [(name, None) for name in KNOWN]
    assert resolve("auto", KNOWN) == ("auto", None)


def test_capitals_and_underscores_do_not_matter():
    assert resolve(" SSD_MobileNet_v2", KNOWN) == ("ssd-mobilenet-v2", None)


@pytest.mark.parametrize(("old", "name"), ALIASES.items())
def test_old_spellings_are_accepted_with_a_note(old, name):
    note = f"--model: {old} is called {name} here; it starts from --base-model, not from COCO weights."

    assert resolve(old, KNOWN) == (name, note)


def test_an_old_spelling_of_a_model_that_is_not_there_is_refused():
    with refused("--model: unknown model 'frcnn-nas-coco'; expected one of: auto, ssd-mobilenet-v2."):
        resolve("frcnn-nas-coco", ["ssd-mobilenet-v2"])


@pytest.mark.parametrize("name", ["yolo", "yolov8n", "YOLO-v3"])
def test_yolo_is_not_there_yet(name):
    with refused(f"--model: {name!r} is not supported yet; expected one of: {CHOICES}. Use ssd-mobilenet-v2."):
        resolve(name, KNOWN)


@pytest.mark.parametrize("name", ["mask-rcnn", "mask_rcnn_inception", "maskrcnn"])
def test_mask_rcnn_is_not_there_yet(name):
    sentence = (
        f"--model: {name!r} is not supported yet; expected one of: {CHOICES}. "
        "Masks become their bounding boxes; use ssd-mobilenet-v2."
    )

    with refused(sentence):
        resolve(name, KNOWN)


def test_an_unknown_name_is_refused_with_the_choices():
    with refused(f"--model: unknown model 'retina'; expected one of: {CHOICES}."):
        resolve("retina", KNOWN)
