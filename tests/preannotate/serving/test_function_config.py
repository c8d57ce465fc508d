import re

import pytest
import yaml

from preannotate.serving.errors import DirectoryError
from preannotate.serving.function_config import GPU_FILE, FunctionConfig


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
        f"from which the function takes them. Name them alike in both files."
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
