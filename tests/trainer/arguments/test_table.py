import dataclasses
import re
import typing

import pytest

from trainer.arguments import ARGUMENTS, parse_arguments
from trainer.arguments.table import AUGMENTS, format_value
from trainer.augment import STRENGTHS
from trainer.config import RequestedConfig, TrainingConfig
from trainer.errors import TrainingError

SIZES = "a side such as 320, WIDTHxHEIGHT, or MIN-MAX, multiples of 32 from 96 to 1536, or auto"


def test_every_argument_is_in_the_table():
    for config in (RequestedConfig, TrainingConfig):
        assert list(ARGUMENTS) == [field.name for field in dataclasses.fields(config)]


def test_types_in_the_table_are_those_of_the_record():
    for name, kind in typing.get_type_hints(RequestedConfig).items():
        argument = ARGUMENTS[name]
        assert kind == (argument.type | None if argument.unset else argument.type), name


def test_every_default_is_possible():
    default = dataclasses.asdict(RequestedConfig())
    text = ",".join(f"{name}={format_value(name, value)}" for name, value in default.items())

    assert parse_arguments(text) == default


def test_every_strength_of_augmentation_can_be_requested():
    assert set(AUGMENTS) == set(STRENGTHS)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("epochs=many", "a whole number from 1 on, or auto"),
        ("epochs=0", "a whole number from 1 on, or auto"),
        ("epochs=none", "a whole number from 1 on, or auto"),
        ("steps=-1", "a whole number from 1 on, or none"),
        ("max_minutes=inf", "minutes above 0, or none"),
        ("batch_size=0", "a whole number from 1 to 1024, or auto"),
        ("initial_learning_rate=nan", "a number above 0 and up to 1, or auto"),
        ("backbone_learning_rate=2", "a number in [0, 1], or auto"),
        ("weight_decay=-1", "a number in [0, 1], or auto"),
        ("image_size=300", SIZES),
        ("image_size=64-128", SIZES),
        ("image_size=600-320", SIZES),
        ("image_size=96x96x96", SIZES),
        ("alpha=2", "one of 0.35, 0.5, 0.75, 1.0, 1.3, 1.4, or auto"),
        ("frozen_part=2", "a number in [0, 1], or auto"),
        ("freeze=-1", "a whole number of blocks from 0 on, or auto"),
        ("augment=much", "one of strong, weak, none"),
        ("early_stopping=0", "a number above 0 and up to 1, or none"),
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
