import dataclasses
import re

import pytest

from trainer.arguments import ARGUMENTS, parse_arguments
from trainer.arguments.table import AUGMENTS
from trainer.augment import STRENGTHS
from trainer.config import TrainingConfig
from trainer.errors import TrainingError

SIZES = "auto, a side such as 320, WIDTHxHEIGHT, or MIN-MAX, multiples of 32 from 96 to 1536"


def test_every_argument_is_in_the_table():
    assert list(ARGUMENTS) == [field.name for field in dataclasses.fields(TrainingConfig)]


def test_every_default_is_possible():
    text = ",".join(f"{name}={value}" for name, value in dataclasses.asdict(TrainingConfig()).items())

    assert TrainingConfig(**parse_arguments(text)) == TrainingConfig()


def test_every_strength_of_augmentation_may_be_asked_for():
    assert set(AUGMENTS) == set(STRENGTHS)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("epochs=many", "a whole number from 0 on (0: by the number of images)"),
        ("steps=-1", "a whole number from 0 on (0: as many as the epochs have)"),
        ("max_minutes=inf", "minutes, 0 for no limit"),
        ("batch_size=0", "a whole number from 1 to 1024"),
        ("initial_learning_rate=nan", "a number in [0, 1] (0: chosen)"),
        ("backbone_learning_rate=2", "a number in [0, 1]"),
        ("weight_decay=-1", "a number in [0, 1]"),
        ("image_size=300", SIZES),
        ("image_size=64-128", SIZES),
        ("image_size=600-320", SIZES),
        ("image_size=96x96x96", SIZES),
        ("alpha=2", "one of 0.35, 0.5, 0.75, 1.0, 1.3, 1.4 (0: chosen)"),
        ("frozen_part=2", "a number in [0, 1]"),
        ("freeze=-1", "a whole number of blocks from 0 on"),
        ("augment=much", "one of strong, weak, none"),
        ("early_stopping=-1", "a number in [0, 1]"),
        ("validation_fraction=1", "a number above 0 and below 1"),
        ("seed=4294967296", "a whole number from 0 to 4294967295"),
        ("num_clones=0", "a whole number of GPUs from 1 to 64"),
        ("precision=float16", "one of float32, mixed_float16, mixed_bfloat16"),
        ("jit=perhaps", "true or false"),
        ("deterministic=2", "true or false"),
    ],
)
def test_an_impossible_value_is_refused_with_the_choices(text, expected):
    with pytest.raises(TrainingError, match=f"^{re.escape(f'arguments: {text}; expected {expected}.')}$"):
        parse_arguments(text)


def test_yes_and_no_have_several_spellings():
    assert parse_arguments("jit=on, deterministic=True") == {"jit": True, "deterministic": True}
    assert parse_arguments("jit=no, deterministic=0") == {"jit": False, "deterministic": False}
