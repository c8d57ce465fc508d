import json
import re

import pytest

from preannotate.serving.errors import DirectoryError
from preannotate.serving.metadata import check_annotations, check_description, check_name

GOOD = {
    "type": "detector",
    "version": "1",
    "spec": json.dumps([{"name": "cat", "type": "rectangle"}, {"name": "dog", "attributes": []}]),
}
BOX = {"name": "box", "input_type": "checkbox", "values": ["true", "false"]}


def labels(*items):
    return {"spec": json.dumps(list(items))}


def test_good_annotations_come_back_as_they_are():
    assert check_annotations(GOOD, "here") is GOOD


def test_attributes_skeletons_and_absent_labels_pass():
    skeleton = {"name": "man", "type": "skeleton", "svg": "<svg/>", "sublabels": [{"name": "head"}]}
    check_annotations({**GOOD, **labels({"name": "cat", "attributes": [BOX]}, skeleton)}, "here")
    check_annotations({"type": "interactor", "min_pos_points": "1", "min_neg_points": "-1"}, "here")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"type": "classifier"}, ": annotation type is 'classifier'; expected one of: detector, interactor, "
         "reid, tracker. CVAT could not call it."),
        ({"version": 1}, ": annotation version is 1; expected a text. Put it in quotes."),
        ({"version": "1.5"}, ": annotation version is '1.5'; expected a whole number in quotes. Correct it."),
        ({"min_pos_points": "many"},
         ": annotation min_pos_points is 'many'; expected a whole number in quotes. Correct it."),
        ({"supported_shape_types": " "},
         ": annotation supported_shape_types is empty; expected shape types or no such key. Remove it."),
        ({"spec": "[{"}, ": annotation spec is not JSON (Expecting property name enclosed in double quotes: "
         "line 1 column 3 (char 2)); expected a list of labels. Correct it."),
        ({"version": "9" * 19},
         f": annotation version is '{'9' * 19}'; expected a whole number in quotes. Correct it."),
        ({"name": "\ud800"}, ": annotation name is '\\ud800'; expected a text. Put it in quotes."),
        ({5: "five"}, ": annotation 5 has no text as its name; expected one. Put it in quotes."),
        ({"spec": '[{"name": "a\\ud800"}]'},
         ": annotation spec is not JSON ('utf-8' codec can't encode character '\\ud800' in position 12: "
         "surrogates not allowed); expected a list of labels. Correct it."),
        ({"spec": '[{"name": "a", "order": NaN}]'},
         ": annotation spec is not JSON (Out of range float values are not JSON compliant); "
         "expected a list of labels. Correct it."),
        ({"spec": "{}"}, ": annotation spec: {}; expected a list of labels. Correct it."),
        (labels({"name": "cat"}, {"type": "rectangle"}),
         ": annotation spec: number 2 of the labels has no name; expected a text. Add one."),
        (labels("cat"), ": annotation spec: number 1 of the labels has no name; expected a text. Add one."),
        (labels({"name": "cat"}, {"name": "cat"}),
         ": annotation spec: two labels are called 'cat'; expected unique names. Rename one."),
        (labels({"name": "cat", "type": 3}),
         ": annotation spec, label 'cat' has type 3; expected a text. Correct it."),
        (labels({"name": "cat", "attributes": [BOX, BOX]}),
         ": annotation spec, label 'cat': two attributes are called 'box'; expected unique names. Rename one."),
        (labels({"name": "cat", "attributes": {}}),
         ": annotation spec, label 'cat': {}; expected a list of attributes. Correct it."),
        (labels({"name": "cat", "attributes": [{"name": "box", "values": []}]}),
         ": annotation spec, label 'cat', attribute 'box' has input_type None; expected one of: select, radio, "
         "checkbox, number, text. Correct it."),
        (labels({"name": "cat", "attributes": [{"name": "box", "input_type": "text"}]}),
         ": annotation spec, label 'cat', attribute 'box' has values None; expected a list. Add it."),
        (labels({"name": "man", "type": "skeleton", "svg": "<svg/>"}),
         ": annotation spec, label 'man' is a skeleton without svg or sublabels; expected both. Add them."),
        (labels({"name": "man", "type": "skeleton", "svg": "<svg/>", "sublabels": [{}]}),
         ": annotation spec, label 'man': number 1 of the labels has no name; expected a text. Add one."),
    ],
)  # fmt: skip
def test_each_fault_has_its_sentence(change, sentence):
    words = re.escape(sentence).replace("compliant", "compliant(: nan)?")  # from Python 3.13 on
    with pytest.raises(DirectoryError, match=f"^here{words}$"):
        check_annotations({**GOOD, **change}, "here")


@pytest.mark.parametrize("annotations", [None, {}, []])
def test_missing_annotations_are_a_fault(annotations):
    sentence = (
        f"here: metadata.annotations is {annotations!r}; expected type, spec and version. "
        f"CVAT would list no function at all."
    )
    with pytest.raises(DirectoryError, match=f"^{re.escape(sentence)}$"):
        check_annotations(annotations, "here")


@pytest.mark.parametrize("description", [None, "", "  ", 5, "half: \ud800"])
def test_description_must_be_a_text(description):
    sentence = (
        f"here: spec.description is {description!r}; expected a text that is not empty. "
        f"CVAT would list no function at all."
    )
    with pytest.raises(DirectoryError, match=f"^{re.escape(sentence)}$"):
        check_description(description, "here")


@pytest.mark.parametrize("name", ["a", "cars-2", "a" * 56])
def test_good_names_pass(name):
    assert check_name(name, "here") == name


@pytest.mark.parametrize("name", [None, 5, "", "Cars", "my_cars", "-a", "a-", "a.b", "a" * 57, "ä", "a\n"])
def test_names_that_some_platform_refuses_are_faults(name):
    sentence = (
        f"here: metadata.name is {name!r}; expected 1 to 56 lower-case letters, digits and hyphens, "
        f"with no hyphen at either end. Rename the function."
    )
    with pytest.raises(DirectoryError, match=f"^{re.escape(sentence)}$"):
        check_name(name, "here")


def test_reserved_name_is_a_fault():
    sentence = "here: metadata.name is 'dashboard', which is nuclio's own; expected another. Rename the function."
    with pytest.raises(DirectoryError, match=f"^{re.escape(sentence)}$"):
        check_name("dashboard", "here")
