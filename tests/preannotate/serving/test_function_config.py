import json
import re

import pytest
import yaml

from preannotate.serving.errors import DirectoryError
from preannotate.serving.function_config import (
    GPU_FILE,
    FunctionConfig,
    check_annotations,
    check_description,
    check_name,
)


def test_function_yaml_is_read(write_function):
    def change(content):
        content["spec"]["env"] = [{"name": "MODEL_ENGINE", "value": "openvino"}, {"name": "EMPTY"}]
        content["spec"]["triggers"]["myHttpTrigger"]["numWorkers"] = 3
        content["spec"]["triggers"]["myHttpTrigger"]["attributes"]["port"] = 32001

    path = write_function("cars", change=change)
    found = FunctionConfig.read(path)

    assert (found.path, found.name, found.handler) == (path, "cars", "main:handler")
    assert found.environment == {"MODEL_ENGINE": "openvino", "EMPTY": ""}
    assert (found.trigger, found.workers, found.port) == ("myHttpTrigger", 3, 32001)
    assert (found.max_body_bytes, found.queue_seconds, found.event_seconds) == (100_000, 5.0, 30.0)


def test_what_is_not_said_is_as_in_nuclio(write_function):
    def change(content):
        del content["spec"]["triggers"], content["spec"]["eventTimeout"], content["spec"]["env"]

    found = FunctionConfig.read(write_function("cars", change=change))

    assert (found.trigger, found.workers, found.port) == ("default-http", 1, None)
    assert (found.max_body_bytes, found.queue_seconds) == (4 * 1024 * 1024, 10.0)
    assert (found.event_seconds, found.readiness_seconds) == (60.0, 120)


def test_old_name_of_workers_counts(write_function):
    def change(content):
        trigger = content["spec"]["triggers"]["myHttpTrigger"]
        del trigger["numWorkers"]
        trigger["maxWorkers"] = 2

    assert FunctionConfig.read(write_function("cars", change=change)).workers == 2


def set_spec(key, value):
    return lambda content: content["spec"].__setitem__(key, value)


def set_trigger(key, value):
    return lambda content: content["spec"]["triggers"]["myHttpTrigger"].__setitem__(key, value)


def set_attribute(key, value):
    return lambda content: content["spec"]["triggers"]["myHttpTrigger"]["attributes"].__setitem__(key, value)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda content: content.pop("metadata"), "metadata is None; expected keys and values. Correct it."),
        (lambda content: content.pop("spec"), "spec is None; expected keys and values. Correct it."),
        (set_spec("triggers", [1]), "spec.triggers is [1]; expected keys and values. Correct it."),
        (set_spec("triggers", {"a": 1}), "trigger a is 1; expected keys and values. Correct it."),
        (set_spec("triggers", {"a": {"kind": "http"}, "b": {"kind": "http"}}),
         "2 http triggers; expected at most one, as nuclio does. Remove the others."),
        (set_spec("handler", "main"),
         "spec.handler is 'main'; expected module:function, as in main:handler. Correct it."),
        (set_spec("env", {"A": "1"}),
         "spec.env is {'A': '1'}; expected a list of names and values. Correct it."),
        (set_spec("env", [{"name": "A", "value": 1}]),
         "spec.env holds {'name': 'A', 'value': 1}; expected name and value as texts. "
         "Put the value in quotes."),
        (set_spec("env", ["A"]),
         "spec.env holds 'A'; expected name and value as texts. Put the value in quotes."),
        (set_spec("eventTimeout", 50), "eventTimeout is 50; expected a duration above 0, as in 50s. Correct it."),
        (set_spec("eventTimeout", "soon"),
         "eventTimeout is 'soon'; expected a duration above 0, as in 50s. Correct it."),
        (set_trigger("numWorkers", "2"),
         "numWorkers is '2'; expected a whole number from 1 on. Correct it."),
        (set_trigger("numWorkers", -1), "numWorkers is -1; expected a whole number from 1 on. Correct it."),
        (set_trigger("attributes", [1]),
         "attributes of the trigger is [1]; expected keys and values. Correct it."),
        (set_trigger("workerAvailabilityTimeoutMilliseconds", None),
         "workerAvailabilityTimeoutMilliseconds is None; expected a whole number from 0 on. Correct it."),
        (set_attribute("maxRequestBodySize", "8m"),
         "maxRequestBodySize is '8m'; expected a whole number from 1 on. Correct it."),
        (set_attribute("port", 70000),
         "attributes.port is 70000; expected a whole number up to 65535. Correct it."),
    ],
)  # fmt: skip
def test_each_fault_has_its_sentence(write_function, change, sentence):
    path = write_function("cars", change=change)
    whole = re.escape(f"{path / 'function.yaml'}: {sentence}")
    with pytest.raises(DirectoryError, match=f"^{whole}$"):
        FunctionConfig.read(path)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a: [1\nb: 2\n", "not YAML (line 2); expected the configuration of a nuclio function. Correct it."),
        (
            "a: &a [x]\n"
            + "".join(
                f"{b}: &{b} [*{a}, *{a}, *{a}, *{a}, *{a}, *{a}, *{a}, *{a}]\n"
                for a, b in zip("abcdefgh", "bcdefghi", strict=True)
            ),
            "not YAML; expected the configuration of a nuclio function. Correct it.",
        ),
        ("a: \x00", "not YAML; expected the configuration of a nuclio function. Correct it."),
        ("", "the file is None; expected keys and values. Correct it."),
        ("- 1", "the file is [1]; expected keys and values. Correct it."),
    ],
)
def test_a_file_that_holds_no_function_is_a_fault(write_function, text, sentence):
    path = write_function("cars")
    (path / "function.yaml").write_text(text)
    whole = re.escape(f"{path / 'function.yaml'}: {sentence}")
    with pytest.raises(DirectoryError, match=f"^{whole}$"):
        FunctionConfig.read(path)


def write_gpu_file(path, spec):
    content = yaml.safe_load((path / "function.yaml").read_text())
    content["metadata"]["annotations"]["spec"] = spec
    (path / GPU_FILE).write_text(yaml.safe_dump(content))


def test_labels_that_the_function_would_not_answer_with_are_refused(write_function):
    """The function reads function.yaml, CVAT sees function-gpu.yaml, and drops boxes of labels that it has not seen."""
    labels = '[{"id": 0, "name": "cat"}, {"id": 1, "name": "dog"}]'
    path = write_function("cars", change=lambda content: content["metadata"]["annotations"].update(spec=labels))
    write_gpu_file(path, labels.replace("dog", "hound"))
    whole = re.escape(
        f"{path / GPU_FILE}: labels {{'cat': 0, 'hound': 1}}; expected {{'cat': 0, 'dog': 1}}, as in function.yaml, "
        f"from which the function reads them. Name them alike in both files."
    )
    with pytest.raises(DirectoryError, match=f"^{whole}$"):
        FunctionConfig.read(path, GPU_FILE)

    write_gpu_file(path, '[{"name": "fish"}, {"name": "dog"}]')
    with pytest.raises(DirectoryError, match="'fish': None"):
        FunctionConfig.read(path, GPU_FILE)

    write_gpu_file(path, '[{"id": 1, "name": "dog"}, {"id": 0, "name": "cat"}]')
    assert FunctionConfig.read(path, GPU_FILE).name == "cars"


@pytest.mark.parametrize("text", ["", "a: [", "metadata: {annotations: {}}", "metadata: {annotations: {spec: '[1]'}}"])
def test_a_gpu_file_whose_neighbour_says_nothing_is_read(write_function, text):
    path = write_function("cars")
    write_gpu_file(path, '[{"id": 0, "name": "cat"}]')
    (path / "function.yaml").write_text(text)

    assert FunctionConfig.read(path, GPU_FILE).name == "cars"


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
def test_each_fault_of_annotations_has_its_sentence(change, sentence):
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
