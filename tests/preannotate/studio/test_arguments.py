"""The form of arguments: defaults are the trainer's, and its own parser reads what was typed."""

import re

import pytest

from preannotate.studio.arguments import (
    WHERE,
    argument_fields,
    assemble_arguments,
)
from trainer.arguments import parse_arguments
from trainer.arguments.table import ARGUMENTS
from trainer.errors import TrainingError


def by_name(fields):
    return {field.name: field for field in fields}


def test_every_argument_of_the_trainer_is_there():
    assert sorted(field.name for field in argument_fields("auto", 100)) == sorted(ARGUMENTS)


def test_kinds_and_choices():
    fields = by_name(argument_fields("ssd-mobilenet-v2", 100))

    names = ("epochs", "weight_decay", "jit", "augment", "image_size", "alpha")
    assert {name: fields[name].kind for name in names} == {
        "epochs": "integer", "weight_decay": "number", "jit": "boolean", "augment": "choice", "image_size": "text",
        "alpha": "choice",
    }  # fmt: skip
    assert fields["augment"].choices == ("strong", "weak", "none")
    assert fields["jit"].help == "compile the step with XLA: on a CPU several times slower"
    assert fields["epochs"].expected == "a whole number from 1 on, or auto"


def test_defaults_follow_model_and_images():
    small, large = (
        by_name(argument_fields("ssd-mobilenet-v2", 100)),
        by_name(argument_fields("frcnn-resnet50", 1000, base_model="none")),
    )

    assert (small["epochs"].default, small["batch_size"].default, small["alpha"].default) == ("125", "16", "1")
    assert (large["epochs"].default, large["batch_size"].default, large["freeze"].default) == ("16", "8", "0")
    assert small["validation_fraction"].default == "0.15"


def test_the_usual_ones_come_first():
    fields = argument_fields("auto", 100)
    common = [field.common for field in fields]

    assert common == sorted(common, reverse=True)
    assert fields[0].name == "epochs"


def test_defaults_are_values_that_the_trainer_takes():
    fields = argument_fields("frcnn-nas", 50)
    text = ",".join(f"{field.name}={field.default}" for field in fields if field.name != "steps")

    assert parse_arguments(text, where=WHERE).keys() == set(ARGUMENTS) - {"steps"}


def test_only_what_differs_is_said_and_the_free_text_wins():
    fields = argument_fields("ssd-mobilenet-v2", 100)
    values = {"epochs": "125", "batch_size": " 8 ", "alpha": "", "seed": "1", "csrf": "x", "jit": "yes"}

    assert assemble_arguments(values, "", fields) == "batch_size=8,seed=1,jit=yes"
    assert assemble_arguments(values, "seed=3 # mine\nlearning-rate=0.01;", fields) == (
        "batch_size=8,jit=yes,seed=3,learning-rate=0.01"
    )
    assert assemble_arguments({}, "  ", fields) == ""


def test_epochs_of_the_form_do_not_fight_with_steps_of_the_text():
    assert assemble_arguments({"epochs": "10"}, "steps=500", argument_fields("auto", 100)) == "steps=500"


@pytest.mark.parametrize(
    ("values", "text", "sentence"),
    [
        (
            {"epochs": "many"},
            "",
            "arguments: epochs=many; expected a whole number from 1 on, or auto.",
        ),
        ({"seed": "1,jit=true"}, "", "arguments: seed=1,jit=true; expected a whole number from 0 to 4294967295."),
        ({}, "epochs", "arguments: 'epochs'; expected name=value, such as epochs=40."),
    ],
)
def test_mistakes_in_the_trainers_words(values, text, sentence):
    with pytest.raises(TrainingError, match=f"^{re.escape(sentence)}$"):
        assemble_arguments(values, text, argument_fields("auto", 100))


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(TrainingError, match="speed"):
        parse_arguments("speed=3", where=WHERE)
