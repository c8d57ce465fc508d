import pytest

from trainer.arguments import parse_arguments
from trainer.arguments.decisions import explain
from trainer.arguments.defaults import Defaults, resolve_arguments
from trainer.arguments.facts import TrainingFacts
from trainer.input_size import InputSize
from trainer.tiling import Tiling

DEFAULTS = Defaults(
    batch_size=8,
    side=416,
    passes=8000,
    initial_learning_rate=1e-3,
    freeze=0,
    freeze_statistics=False,
    boxes_for_full_rate=500,
)


def explained(
    text="", *, size=(416, 416), reason="the usual size", images=160, pretrained=True, boxes=None, tiles=None
):
    overrides = parse_arguments(text)
    facts = TrainingFacts(
        images=images, input_size=InputSize(size, reason), pretrained=pretrained, alpha=1.0, boxes=boxes, tiles=tiles
    )
    config = resolve_arguments(overrides, DEFAULTS, facts)
    found = explain(config, overrides, DEFAULTS, facts, model="yolox-nano")
    return {decision.what: decision.why for decision in found}


def test_everything_that_was_decided_has_a_reason():
    assert explained() == {
        "image_size=416x416": "the usual size",
        "batch_size=8": "the usual number for yolox-nano",
        "epochs=50": "about 1000 steps, after which such trainings gained nothing, in epochs of 20",
        "initial_learning_rate=0.001, backbone_learning_rate=0.05, weight_decay=0.02, frozen_part=0.08, freeze=0, "
        "freeze_statistics=false": "what yolox-nano trains with from pretrained weights",
    }


def test_what_was_requested_was_not_decided():
    text = "image_size=416,batch_size=4,epochs=7,initial_learning_rate=0.01,freeze=2"

    assert list(explained(text, reason="")) == [
        "backbone_learning_rate=0.05, weight_decay=0.02, frozen_part=0.08, freeze_statistics=false"
    ]
    assert len(explained("image_size=416,batch_size=4,steps=9", reason="")) == 1


@pytest.mark.parametrize(
    ("arguments", "what", "why"),
    [
        (
            {"size": (640, 640)},
            "batch_size=6",
            "fewer than the usual 8, to save memory: inputs of 640x640 are large",
        ),
        ({"text": "max_minutes=20"}, "max_minutes=20", "all of the time is used, since it is the only limit"),
        ({"images": 9000}, "epochs=3", "each of 9000 images is shown 3 times"),
    ],
)
def test_reasons_follow_the_data(arguments, what, why):
    assert explained(**arguments)[what] == why


def test_tiles_are_a_decision_unless_they_were_requested():
    small = Tiling("2", "half of the objects are small")

    assert explained(tiles=small)["tiles=2"] == "half of the objects are small"
    assert not [name for name in explained("tiles=none", tiles=small) if name.startswith("tiles")]


def test_a_lower_rate_for_few_boxes_is_a_decision_of_its_own():
    what, why = "backbone_learning_rate=0.01", "lower than the usual 0.05, since there are only 33 boxes"

    assert explained(boxes=33)[what] == why
    assert what not in explained("backbone_learning_rate=0.01", boxes=33)
    assert what not in explained(boxes=33, pretrained=False)
    assert not [name for name in explained(boxes=1000) if name.startswith("backbone_learning_rate")]
