"""What nuclio and CVAT read."""

import json
import re
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from builder import variants
from builder.errors import BuildError
from builder.function_yaml import CVAT_TIMEOUT_SECONDS, FINGERPRINT, check_name, function_yaml, label_spec
from builder.variants import VARIANTS
from runtime.manifest import Manifest, MaskHead, MaskKind, Postprocess

ROOT = Path(__file__).parents[2]
OWN = {FINGERPRINT: "0123456789abcdef"}
STRANGE_NAMES = (
    'it\'s "quoted"',
    "two\nlines\n",
    "colon: # no comment",
    "日本語 🚗",
    " spaces ",
    "tab\t\x07\x85\u2028\ufeff",
    "{{ template }}",
    "null",
    "[1, 2]",
)


def manifest(labels=("cat", "dog")):
    return Manifest("ssd-mobilenet-v2", labels, (320, 256), Postprocess(0.5, (0.5,) * len(labels)))


def content(variant="cpu", labels=("cat", "dog"), annotations=OWN, name="cats"):
    return yaml.safe_load(function_yaml(name, VARIANTS[variant], manifest(labels), annotations))


@pytest.mark.parametrize("variant", VARIANTS)
def test_strange_label_names_survive(variant):
    spec = json.loads(content(variant, STRANGE_NAMES)["metadata"]["annotations"]["spec"])
    assert [label["name"] for label in spec] == list(STRANGE_NAMES)
    assert [label["id"] for label in spec] == list(range(len(STRANGE_NAMES)))
    assert {label["type"] for label in spec} == {"rectangle"}


def test_labels_stand_in_a_block_one_a_line_even_strange_ones():
    text = function_yaml("cats", VARIANTS["cpu"], manifest(STRANGE_NAMES), OWN)
    block = text.split("spec: |\n")[1].split("preannotate.")[0].rstrip(" ").splitlines()
    assert len(block) == len(STRANGE_NAMES) + 2
    assert block[0].strip() == "["
    assert '{"id": 3, "name": "日本語' in block[4]


def test_label_spec_by_hand():
    assert label_spec(manifest(["cat"])) == '[\n  {"id": 0, "name": "cat", "type": "rectangle", "attributes": []}\n]\n'


def test_labels_of_a_network_with_masks_have_the_types_of_the_manifest():
    masks = replace(manifest(), mask_head=MaskHead(MaskKind.PROTOTYPES), label_types=("polygon", "mask"))
    assert [label["type"] for label in json.loads(label_spec(masks))] == ["polygon", "mask"]
    text = function_yaml("cats", VARIANTS["cpu"], masks, OWN)
    assert '"mask" a mask, or a polygon' in text
    assert "mask" not in function_yaml("cats", VARIANTS["cpu"], manifest(), OWN)


@pytest.mark.parametrize("variant", VARIANTS)
def test_annotations_are_texts_whatever_they_look_like(variant):
    own = {"preannotate.fingerprint": "1234567e89012345", "preannotate.map50": "0.9312"}
    annotations = content(variant, annotations=own, name="1e3")["metadata"]["annotations"]
    assert all(type(value) is str for value in annotations.values())
    assert {key: annotations[key] for key in own} == own
    text = function_yaml("1e3", VARIANTS[variant], manifest(), own)
    assert 'preannotate.fingerprint: "1234567e89012345"' in text  # YAML 1.2 readers see a number without quotes
    assert f'name: "1e3{VARIANTS[variant].suffix}"' in text


def test_variants_differ_in_name_engine_and_file():
    cpu, gpu = content("cpu"), content("gpu")
    assert (cpu["metadata"]["name"], gpu["metadata"]["name"]) == ("cats", "cats-gpu")
    assert cpu["metadata"]["annotations"]["spec"] == gpu["metadata"]["annotations"]["spec"]
    assert cpu["spec"]["env"][0] == {"name": "MODEL_ENGINE", "value": "openvino"}
    assert gpu["spec"]["env"][0] == {"name": "MODEL_ENGINE", "value": "tensorflow"}
    assert gpu["spec"]["resources"] == {"limits": {"nvidia.com/gpu": 1}}
    assert "resources" not in cpu["spec"]
    assert cpu["spec"]["build"]["image"] == "preannotate.cats:0123456789abcdef"
    assert gpu["spec"]["build"]["image"] == "preannotate.cats-gpu:0123456789abcdef"
    for part in ("file", "suffix", "engine", "base_image", "display_suffix"):
        assert len({getattr(variant, part) for variant in VARIANTS.values()}) == len(VARIANTS)


@pytest.mark.parametrize("variant", VARIANTS)
def test_what_cvat_and_nuclio_insist_on(variant):
    function = content(variant)
    assert function["metadata"]["annotations"]["type"] == "detector"
    assert function["metadata"]["annotations"]["version"] == "1"
    assert function["spec"]["description"] == "ssd-mobilenet-v2 at 320x256, trained by Preannotate"
    assert function["spec"]["handler"] == "main:handler"
    (trigger,) = function["spec"]["triggers"].values()
    assert trigger["kind"] == "http"
    assert trigger["numWorkers"] == {"cpu": 2, "gpu": 1}[variant]
    assert trigger["attributes"]["maxRequestBodySize"] == 134217728
    assert function["spec"]["platform"]["attributes"]["restartPolicy"]["name"] == "always"
    python = function["spec"]["runtime"].removeprefix("python:")
    assert function["spec"]["build"]["baseImage"].endswith(f"-py{python}")


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_fingerprint_that_looks_like_a_number_still_tags_the_image(variant):
    build = content(variant, annotations={FINGERPRINT: "1234567e89012345"})["spec"]["build"]
    assert build["image"].endswith(":1234567e89012345")


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_container_runs_as_a_user_who_is_not_root_and_whom_kubernetes_can_check(variant):
    build = content(variant)["spec"]["build"]
    assert build["directives"] == {"postCopy": [{"kind": "USER", "value": "1000"}]}
    assert "commands" not in build  # nuclio would throw the directives away


@pytest.mark.parametrize("variant", VARIANTS)
def test_an_unreadable_image_is_an_error_unless_the_operator_says_otherwise(variant):
    environment = content(variant)["spec"]["env"]
    assert {"name": "MODEL_UNREADABLE_IMAGE", "value": "error"} in environment
    text = function_yaml("cats", VARIANTS[variant], manifest(), OWN)
    assert '# MODEL_UNREADABLE_IMAGE: "error" replies' in text


def test_the_slowest_answer_comes_before_cvat_hangs_up():
    spec = content()["spec"]
    (trigger,) = spec["triggers"].values()
    waiting = trigger["workerAvailabilityTimeoutMilliseconds"] / 1000
    assert 2 * int(spec["eventTimeout"].removesuffix("s")) + waiting < CVAT_TIMEOUT_SECONDS


def test_base_images_hold_the_versions_that_the_tests_run_with():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    assert f"openvino>={variants.OPENVINO}," in " ".join(extras["build"])
    assert f"openvino>={variants.OPENVINO}," in " ".join(extras["serve"])
    assert f"tensorflow-cpu>={variants.TENSORFLOW}," in " ".join(extras["train"])
    assert f"tensorflow[and-cuda]>={variants.TENSORFLOW}," in " ".join(extras["train-gpu"])
    assert variants.OPENVINO in VARIANTS["cpu"].base_image
    assert variants.TENSORFLOW in VARIANTS["gpu"].base_image


@pytest.mark.parametrize("name", ["a", "7", "cats", "cats-2", "a" * 52, "gpu"])
def test_names_that_are_fine(name):
    check_name(name)


@pytest.mark.parametrize("name", ["", "-a", "a-", "Cats", "my_cats", "a.b", "a b", "a/b", "../a", "ä", "a" * 53, "a\n"])
def test_names_that_some_platform_refuses(name):
    sentence = (
        f"--name: {name!r}; expected 1 to 52 lower-case letters, digits and hyphens, with no hyphen at either end. "
        "Choose another name."
    )
    with pytest.raises(BuildError, match=f"^{re.escape(sentence)}$"):
        check_name(name)


def test_name_of_nuclios_own():
    sentence = "--name: 'dashboard' is nuclio's own; expected another name. Choose one."
    with pytest.raises(BuildError, match=f"^{re.escape(sentence)}$"):
        check_name("dashboard")


@pytest.mark.parametrize("name", ["runtime", "openvino", "tensorflow"])
def test_name_of_a_package(name):
    sentence = f"--name: {name!r} is the name of a Python package; expected another name. Choose one."
    with pytest.raises(BuildError, match=f"^{re.escape(sentence)}$"):
        check_name(name)


def test_name_that_would_collide_with_a_variant():
    sentence = (
        "--name: 'cats-gpu' ends as the names of variants do; expected none of -gpu at the end. Choose another name."
    )
    with pytest.raises(BuildError, match=f"^{re.escape(sentence)}$"):
        check_name("cats-gpu")
