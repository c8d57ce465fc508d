from dataclasses import replace

import pytest

from trainer.arguments import parse_arguments
from trainer.arguments.defaults import MIN_EPOCHS, Defaults, resolve_arguments
from trainer.arguments.facts import TrainingFacts
from trainer.input_size import InputSize

FACTS = TrainingFacts(images=120, pretrained=True, alpha=1.0, input_size=InputSize((384, 288)))


def test_model_and_data_decide_what_was_not_requested():
    config = resolve_arguments({}, Defaults(batch_size=4, freeze=1, backbone_learning_rate=0.1, passes=6000), FACTS)

    assert (config.batch_size, config.freeze, config.backbone_learning_rate) == (4, 1, 0.1)
    assert (config.epochs, config.initial_learning_rate) == (50, 0.002)
    assert (config.alpha, config.image_size) == (1.0, "384x288")


def test_requested_values_win():
    asked = parse_arguments("batch_size=2, freeze=0, epochs=3, initial_learning_rate=0.01, augment=weak")
    config = resolve_arguments(asked, Defaults(batch_size=4, freeze=1), FACTS)

    assert {name: getattr(config, name) for name in asked} == asked


def test_auto_leaves_the_decision():
    asked = parse_arguments(
        "epochs=auto, batch_size=auto, freeze=Auto, initial_learning_rate=auto, alpha=auto, image_size=auto, steps=none"
    )

    assert resolve_arguments(asked, Defaults(), FACTS) == resolve_arguments({}, Defaults(), FACTS)


def test_zero_and_no_limit_are_decisions():
    config = resolve_arguments(parse_arguments("freeze=0, early_stopping=none"), Defaults(), FACTS)

    assert (config.freeze, config.early_stopping) == (0, None)


def test_random_weights_get_more_of_both():
    config = resolve_arguments({}, Defaults(), replace(FACTS, pretrained=False))

    assert (config.epochs, config.initial_learning_rate) == (109, 0.006)


@pytest.mark.parametrize(("images", "epochs"), [(10, 375), (30, 188), (120, 47), (1_000, 6), (10_000, MIN_EPOCHS)])
def test_the_default_is_a_number_of_steps(images, epochs):
    """6000 images in batches of 16 are 375 steps; 120 images are 8 steps an epoch."""
    assert resolve_arguments({}, Defaults(passes=6000), replace(FACTS, images=images)).epochs == epochs


@pytest.mark.parametrize(
    ("size", "batch_size"), [((416, 416), 8), ((512, 512), 8), ((640, 640), 6), ((736, 544), 6), ((1536, 1536), 1)]
)
def test_large_inputs_come_in_smaller_batches(size, batch_size):
    assert Defaults(batch_size=8, side=416).fitting_batch(size) == batch_size
    facts = replace(FACTS, input_size=InputSize(size))
    assert resolve_arguments({}, Defaults(batch_size=8, side=416), facts).batch_size == batch_size


def test_a_requested_batch_size_is_taken_whatever_the_input():
    facts = replace(FACTS, input_size=InputSize((1536, 1536)))

    assert resolve_arguments(parse_arguments("batch_size=8"), Defaults(), facts).batch_size == 8


def test_another_batch_size_leaves_the_number_of_steps():
    config = resolve_arguments(parse_arguments("batch_size=4"), Defaults(passes=6000), FACTS)

    assert config.epochs * 120 / 4 == pytest.approx(375, abs=30)


@pytest.mark.parametrize("text", ["max_minutes=20", "max_minutes=20,epochs=auto"])
def test_with_a_time_limit_alone_the_time_decides(text):
    config = resolve_arguments(parse_arguments(text), Defaults(), FACTS)

    assert (config.epochs, config.steps) == (None, None)


@pytest.mark.parametrize(("text", "epochs"), [("max_minutes=20,epochs=7", 7), ("max_minutes=20,steps=16", 2)])
def test_a_time_limit_and_epochs_or_steps_both_count(text, epochs):
    assert resolve_arguments(parse_arguments(text), Defaults(), FACTS).epochs == epochs


def test_steps_become_epochs_of_which_the_last_may_be_short():
    facts = replace(FACTS, images=20)  # in batches of eight: three steps

    assert resolve_arguments(parse_arguments("steps=6, batch_size=8"), Defaults(), facts).epochs == 2
    assert resolve_arguments(parse_arguments("steps=7, batch_size=8"), Defaults(), facts).epochs == 3


@pytest.mark.parametrize(
    ("boxes", "rate"),
    [(None, 0.5), (1000, 0.5), (4000, 0.5), (500, 0.25), (333, 0.17), (200, 0.1), (30, 0.1), (0, 0.1)],
)
def test_a_pretrained_backbone_learns_slower_from_few_boxes(boxes, rate):
    defaults = Defaults(backbone_learning_rate=0.5, boxes_for_full_rate=1000)

    assert resolve_arguments({}, defaults, replace(FACTS, boxes=boxes)).backbone_learning_rate == rate
    random = replace(FACTS, pretrained=False)
    assert resolve_arguments({}, defaults, replace(random, boxes=boxes)).backbone_learning_rate == 1
    asked = parse_arguments("backbone_learning_rate=0.4")
    assert resolve_arguments(asked, defaults, replace(FACTS, boxes=boxes)).backbone_learning_rate == 0.4


@pytest.mark.parametrize(("side", "replicas", "batch_size"), [(416, 1, 8), (416, 3, 9), (1024, 1, 2), (1024, 4, 4)])
def test_the_default_batch_can_be_divided_among_replicas(side, replicas, batch_size):
    facts = replace(FACTS, input_size=InputSize((side, side)), replicas=replicas)

    assert resolve_arguments({}, Defaults(batch_size=8, side=416), facts).batch_size == batch_size
