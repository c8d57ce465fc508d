import shlex

import pytest

from builder.imports.label_choice import LabelChoice
from preannotate.cli.main import parser
from preannotate.model_catalogue.entries import find
from preannotate.studio.catalogue import LabelSummary
from preannotate.studio.ready_models import find_ready_model


def labels(*names, kind="rectangle"):
    return [LabelSummary(name=name, color="#ffffff", type=kind, boxes=0, learnable=True) for name in names]


def chosen(command):
    """What the command would make: the labels that the function answers with."""
    arguments = parser().parse_args(shlex.split(command)[1:])
    return LabelChoice.parse(arguments.only, arguments.rename).apply(find(arguments.what).labels).names


@pytest.mark.parametrize(
    ("task", "known"),
    [
        (["person", "car"], ("person", "car")),
        (["Pedestrians", "crack", "cars"], ("Pedestrians", "cars")),
        (["people", "person"], ("people",)),
        (["Traffic Light", "TV"], ("Traffic Light", "TV")),
    ],
)
def test_the_command_makes_a_model_with_the_labels_of_the_task(task, known):
    found = find_ready_model(labels(*task), "streets")

    assert found.labels == known
    assert chosen(found.command) == known


def test_names_alone_need_no_quotes_and_no_renaming():
    found = find_ready_model(labels("person", "car"), "streets")

    assert found.command == "preannotate get coco-yolox-nano --name streets --only person,car"


def test_there_is_none_for_other_labels_and_for_labels_that_take_no_boxes():
    assert find_ready_model(labels("crack", "scratch"), "boards") is None
    assert find_ready_model(labels("person", kind="polygon"), "people") is None
    assert find_ready_model(labels("person", kind="any"), "people") is not None
    assert find_ready_model([], "empty") is None
