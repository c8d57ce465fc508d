import re

import pytest

from builder.errors import BuildError
from builder.imports.label_choice import LabelChoice

LABELS = ("person", "bicycle", "car", "nut, small")


def test_without_a_choice_all_labels_are_answered():
    found = LabelChoice.parse(None, []).apply(LABELS)

    assert (found.names, found.kept, found.narrowed) == (LABELS, (0, 1, 2, 3), False)


def test_chosen_labels_keep_the_order_of_the_choice_and_get_their_names():
    found = LabelChoice.parse('car,person,"nut, small"', ["person=worker", "car=vehicle,"]).apply(LABELS)

    assert found.names == ("vehicle", "worker", "nut, small")
    assert found.kept == (2, 0, 3)
    assert found.narrowed


def test_names_alone_leave_nothing_out():
    found = LabelChoice.parse(None, ["person=car,car=person"]).apply(LABELS)

    assert found.names == ("car", "bicycle", "person", "nut, small")
    assert not found.narrowed


@pytest.mark.parametrize(
    ("only", "rename", "sentence"),
    [
        ("persn", [], "--only: 'persn' is none of the model's 4 labels; expected one such as person. Correct it."),
        ("Car", [], "--only: 'Car' is none of the model's 4 labels; expected one such as car. Correct it."),
        (
            None,
            ["zebra=x"],
            "--rename: 'zebra' is none of the model's 4 labels; expected one such as person, bicycle, car, nut, small. "
            "Correct it.",
        ),
        ("car,car", [], "--only: 'car' is there twice; expected each label once. Correct it."),
        (
            "car",
            ["person=worker"],
            "--rename: 'person' is not in --only; expected one of car. Add it to --only, or leave it out.",
        ),
        (
            None,
            ["person=car"],
            "--rename: person, car would have the same name 'car'; expected each name once, as CVAT does. Choose "
            "another name, or leave labels out with --only.",
        ),
        (
            None,
            ["car=a", "car=b"],
            "--rename: 'car' is renamed twice; expected one name for it. Leave one out.",
        ),
        (None, ["person"], "--rename: 'person'; expected LABEL=NAME, as in person=worker. Write it so."),
        (None, ["=worker"], "--rename: '=worker'; expected LABEL=NAME, as in person=worker. Write it so."),
        (None, ["person="], "--rename: 'person='; expected LABEL=NAME, as in person=worker. Write it so."),
    ],
)
def test_a_choice_that_does_not_fit_is_one_sentence(only, rename, sentence):
    with pytest.raises(BuildError, match=f"^{re.escape(sentence)}$"):
        LabelChoice.parse(only, rename).apply(LABELS)


def test_a_quotation_mark_that_is_not_closed():
    with pytest.raises(BuildError, match=r"^--only: .*; expected items with commas between them\."):
        LabelChoice.parse('"nut, small', [])
