"""Each mistake that a person can make in a function directory is named."""

import json
import re

import pytest
import yaml

from builder import static_check

REBUILD = "Build the function again."


def edit(function_dir, change, file="function.yaml"):
    """Change the parsed YAML with `change(content)`."""
    path = function_dir / file
    content = yaml.safe_load(path.read_text("utf-8"))
    change(content)
    path.write_text(yaml.safe_dump(content, allow_unicode=True), "utf-8")


def rename(function_dir, name, file):
    def change(content):
        spec = json.loads(content["metadata"]["annotations"]["spec"])
        spec[0]["name"] = name
        content["metadata"]["annotations"]["spec"] = json.dumps(spec)

    edit(function_dir, change, file)


def test_a_fresh_function_has_no_problems_and_no_notes(function_dir):
    assert static_check.problems(function_dir) == []
    assert static_check.notes(function_dir) == []


def test_a_function_of_a_network_that_is_no_saved_model_has_one_variant(cpu_function_dir):
    assert not (cpu_function_dir / "function-gpu.yaml").exists()
    assert static_check.problems(cpu_function_dir) == []


@pytest.mark.parametrize("name", ["function-gpu.yaml", "saved_model/saved_model.pb"])
def test_half_a_gpu_variant_is_a_broken_one(cpu_function_dir, name):
    (cpu_function_dir / name).parent.mkdir(exist_ok=True)
    (cpu_function_dir / name).write_bytes((cpu_function_dir / "function.yaml").read_bytes())
    (other,) = {"function-gpu.yaml", "saved_model/saved_model.pb"} - {name}
    sentence = f"{other}: no such file; expected a whole function directory. {REBUILD}"
    assert sentence in static_check.problems(cpu_function_dir)


@pytest.mark.parametrize(
    "name", ["main.py", "model_handler.py", "model.xml", "model.bin", "saved_model/saved_model.pb"]
)
def test_a_missing_file(function_dir, name):
    (function_dir / name).unlink()
    sentence = f"{name}: no such file; expected a whole function directory. {REBUILD}"
    assert static_check.problems(function_dir) == [sentence]


def test_a_missing_yaml_is_also_missing_its_labels(function_dir):
    (function_dir / "function-gpu.yaml").unlink()
    first, second = static_check.problems(function_dir)
    assert first == f"function-gpu.yaml: no such file; expected a whole function directory. {REBUILD}"
    assert second.startswith(f"{function_dir / 'function-gpu.yaml'}: FileNotFoundError")


def test_a_changed_runtime(function_dir):
    with (function_dir / "runtime" / "boxes.py").open("a") as file:
        file.write("# mine\n")
    (function_dir / "runtime" / "cvat.py").unlink()
    (function_dir / "runtime" / "extra.py").write_text("")
    assert static_check.problems(function_dir) == [
        "runtime/boxes.py: differs from its source; expected a verbatim copy. Build it again.",
        f"runtime/cvat.py: not in the function directory; expected a verbatim copy. {REBUILD}",
        f"runtime/extra.py: not in this version of Preannotate; expected a verbatim copy. {REBUILD}",
    ]


def test_an_edited_handler_is_only_a_note(function_dir):
    with (function_dir / "model_handler.py").open("a") as file:
        file.write("# mine\n")
    assert static_check.problems(function_dir) == []
    assert static_check.notes(function_dir) == ["model_handler.py was edited after the build."]


def test_labels_may_be_renamed_in_both_files(function_dir):
    rename(function_dir, "Katze", "function.yaml")
    rename(function_dir, "Katze", "function-gpu.yaml")
    assert static_check.problems(function_dir) == []


def test_labels_renamed_in_one_file(function_dir):
    rename(function_dir, "Katze", "function-gpu.yaml")
    assert static_check.problems(function_dir) == [
        "labels differ between function.yaml and function-gpu.yaml; expected the same names and types. CVAT shows "
        "those of the deployed file, the function returns those of function.yaml."
    ]


def test_a_label_too_few(function_dir):
    def change(content):
        content["metadata"]["annotations"]["spec"] = '[{"id": 0, "name": "cat", "type": "rectangle"}]'

    edit(function_dir, change)
    assert static_check.problems(function_dir) == [
        "function.yaml: label ids [0] in metadata.annotations.spec; expected 0 to 1, the classes in model.json. "
        "Edit names freely, but keep one entry per class."
    ]


def set_in(*keys, to):
    """A change that sets content[keys[0]][keys[1]]… to a value."""

    def change(content):
        for key in keys[:-1]:
            content = content[key]
        content[keys[-1]] = to

    return change


def fingerprint(function_dir):
    return json.loads((function_dir / "model.json").read_text())["provenance"]["model_fingerprint"]


TRIGGER = ("spec", "triggers", "myHttpTrigger")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            set_in("metadata", "annotations", "mine", to=1.5),
            "annotation mine is 1.5; expected a text. Put it in quotes.",
        ),
        (
            set_in("metadata", "annotations", "type", to="classifier"),
            "annotation type is 'classifier'; expected 'detector'.",
        ),
        (
            set_in("metadata", "annotations", "version", to="1.5"),
            "annotation version is '1.5'; expected a whole number. CVAT needs it.",
        ),
        (
            set_in("spec", "description", to=""),
            "spec.description is empty; expected a text. CVAT lists nothing otherwise.",
        ),
        (
            set_in("spec", "runtime", to="python:3.9"),
            "spec.runtime is 'python:3.9' and the base image 'preannotate/openvino:2026.4-2-py3.11'; "
            "expected the same Python in both.",
        ),
        (set_in("spec", "handler", to="main:handle"), "spec.handler is 'main:handle'; expected 'main:handler'."),
        (
            set_in("spec", "env", to=[{"name": "MODEL_ENGINE", "value": "tensorflow"}]),
            "MODEL_ENGINE is 'tensorflow'; expected 'openvino'.",
        ),
        (
            set_in("spec", "env", 1, "value", to="ignore"),
            "MODEL_UNREADABLE_IMAGE: 'ignore'; expected one of: error, empty.",
        ),
        (
            set_in("spec", "build", "image", to="cats"),
            "spec.build.image is 'cats'; expected 'preannotate.cats:FINGERPRINT'.",
        ),
        (
            set_in("metadata", "annotations", "preannotate.fingerprint", to="0"),
            "annotation preannotate.fingerprint is '0'; expected 'FINGERPRINT', as in model.json.",
        ),
        (set_in("spec", "triggers", to={}), "0 http triggers; expected one."),
        (
            set_in(*TRIGGER, "attributes", "maxRequestBodySize", to=33554432),
            "maxRequestBodySize is less than 134217728; expected it. Big photos fail.",
        ),
        (set_in(*TRIGGER, "numWorkers", to=0), "numWorkers is 0; expected 2."),
        (
            set_in("spec", "eventTimeout", to="60s"),
            "eventTimeout is '60s'; expected seconds; twice as many, and 10 in the queue, must stay below CVAT's 120.",
        ),
        (
            set_in("spec", to=None),
            "TypeError 'NoneType' object is not subscriptable; expected a function of nuclio. Build it again.",
        ),
        (set_in("spec", "build", to={}), "KeyError 'baseImage'; expected a function of nuclio. Build it again."),
    ],
)
def test_one_mistake_in_function_yaml(function_dir, change, sentence):
    edit(function_dir, change)
    found = [problem.removeprefix("function.yaml: ") for problem in static_check.problems(function_dir)]
    if "NoneType" in sentence:
        assert len(found) == 1
        assert re.search(r"NoneType.+; expected a function of nuclio\. Build it again\.", found[0])
    else:
        assert found == [sentence.replace("FINGERPRINT", fingerprint(function_dir))]


def test_a_name_that_kubernetes_refuses(function_dir):
    edit(function_dir, set_in("metadata", "name", to="My_Cats"))
    edit(function_dir, set_in("spec", "build", "image", to=f"preannotate.My_Cats:{fingerprint(function_dir)}"))
    assert static_check.problems(function_dir) == [
        "function.yaml: metadata.name 'My_Cats'; expected at most 56 lower-case letters, digits and hyphens."
    ]


def test_a_broken_model_json_is_named_once(function_dir):
    (function_dir / "model.json").write_text("{")
    (problem,) = static_check.problems(function_dir)
    assert "model.json" in problem


def test_a_label_of_another_type(function_dir):
    def change(content):
        spec = json.loads(content["metadata"]["annotations"]["spec"])
        spec[0]["type"] = "bbox"
        content["metadata"]["annotations"]["spec"] = json.dumps(spec)

    edit(function_dir, change)
    assert static_check.problems(function_dir) == ["function.yaml: label 'cat' has type 'bbox'; expected 'rectangle'."]


def test_a_network_with_masks_may_have_labels_of_three_types(function_dir):
    path = function_dir / "model.json"
    model = {**json.loads(path.read_text("utf-8")), "mask_head": {"kind": "prototypes"}}
    path.write_text(json.dumps(model), "utf-8")

    def set_types(*types):
        def change(content):
            spec = json.loads(content["metadata"]["annotations"]["spec"])
            for label, kind in zip(spec, types, strict=True):
                label["type"] = kind
            content["metadata"]["annotations"]["spec"] = json.dumps(spec)

        for file in ("function.yaml", "function-gpu.yaml"):
            edit(function_dir, change, file)

    for types in (("mask", "polygon"), ("rectangle", "mask")):
        set_types(*types)
        assert static_check.problems(function_dir) == []
    set_types("rectangle", "ellipse")
    assert static_check.problems(function_dir) == [
        f"{file}: label 'Größe \"XL\"' has type 'ellipse'; expected 'rectangle' or 'polygon' or 'mask'."
        for file in ("function.yaml", "function-gpu.yaml")
    ]


def test_more_workers_than_a_gpu_bears_and_no_gpu(function_dir):
    edit(function_dir, set_in(*TRIGGER, "numWorkers", to=4), "function-gpu.yaml")
    edit(function_dir, set_in("spec", "resources", to={}), "function-gpu.yaml")
    assert static_check.problems(function_dir) == [
        "function-gpu.yaml: numWorkers is 4; expected 1.",
        "function-gpu.yaml: spec.resources.limits lacks nvidia.com/gpu: 1; expected it. Without, no GPU is seen.",
    ]


def test_more_workers_on_a_cpu_are_anybodys_choice(function_dir):
    edit(function_dir, set_in(*TRIGGER, "numWorkers", to=8))
    assert static_check.problems(function_dir) == []


def test_the_same_name_twice(function_dir):
    edit(function_dir, set_in("metadata", "name", to="cats"), "function-gpu.yaml")
    *_, last = static_check.problems(function_dir)
    assert [last] == ["metadata.name is 'cats' twice; expected different names. One would replace the other."]
