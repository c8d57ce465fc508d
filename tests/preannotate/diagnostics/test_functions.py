import json

import pytest

from preannotate.diagnostics.finding import error, note, ok, warning
from preannotate.diagnostics.functions import (
    check_metadata,
    check_state,
    compare_with_directory,
    labels_of,
    part,
    read_variants,
)


def listed(**annotations):
    spec = json.dumps([{"id": 0, "name": "cat", "type": "rectangle"}, {"id": 1, "name": "dog", "type": "rectangle"}])
    return {
        "metadata": {
            "name": "cats",
            "labels": {"nuclio.io/project-name": "cvat"},
            "annotations": {"type": "detector", "spec": spec, **annotations},
        },
        "spec": {"description": "Finds cats"},
        "status": {"state": "ready", "httpPort": 32768},
    }


def test_nothing_to_say_of_a_good_one():
    assert list(check_metadata("cats", listed())) == []
    assert list(check_state("cats", listed())) == []


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (
            lambda one: one["spec"].pop("description"),
            "spec.description is None; expected a text that is not empty. CVAT would list no function at all.",
        ),
        (
            lambda one: one["metadata"].pop("annotations"),
            "metadata.annotations is None; expected type, spec and version. CVAT would list no function at all.",
        ),
        (
            lambda one: one["metadata"]["annotations"].update(version="1.5"),
            "annotation version is '1.5'; expected a whole number in quotes. CVAT hides it, or answers 500 and shows "
            "no models at all.",
        ),
    ],
)
def test_one_function_that_empties_the_list_of_everybody(spoil, words):
    one = listed()
    spoil(one)

    assert list(check_metadata("cats", one)) == [
        error(
            "cats",
            words,
            "Deploy cats again with a corrected function.yaml, or delete it: nuctl delete function cats",
        )
    ]


def test_a_stranger_of_another_kind_is_no_fault():
    assert list(check_metadata("sam", listed(type="interactor", spec="[]", min_pos_points="1"))) == []


def test_states():
    def state(name, message=""):
        return list(check_state("cats", {"status": {"state": name, "message": message}}))

    assert state("scaledToZero") == []
    assert state("building") == [note("cats", "is building.", "Wait for it, then run this again.")]
    assert state("error", "Build failed\nat line 3") == [
        error(
            "cats",
            "is 'error' (Build failed); CVAT lists it all the same, and each call fails.",
            "Check its log (docker logs nuclio-nuclio-cats), then deploy it again.",
        )
    ]


def test_what_is_deployed_is_what_lies_here(functions, fingerprint):
    same = listed(**{"preannotate.fingerprint": fingerprint})

    assert list(compare_with_directory(functions[0], same)) == [
        ok("cats", f"deployed as in the directory (model {fingerprint})")
    ]


def test_another_model_is_deployed(functions, fingerprint, directory):
    assert list(compare_with_directory(functions[0], listed())) == [
        warning(
            "cats",
            f"model unknown is deployed, {fingerprint} lies in the directory.",
            f"Deploy {directory.parent} again.",
        )
    ]


def test_the_same_network_built_otherwise(functions, fingerprint, directory):
    functions[0].settings.annotations["preannotate.map50"] = "0.9100"
    own = {"preannotate.fingerprint": fingerprint, "preannotate.map50": "0.8700"}

    assert list(compare_with_directory(functions[0], listed(**own))) == [
        warning(
            "cats",
            "preannotate.map50 is '0.8700', and '0.9100' in the directory.",
            f"Deploy {directory.parent} again.",
        )
    ]


def test_labels_were_edited_after_deploying(functions, fingerprint, directory):
    spec = json.dumps([{"name": "cat", "type": "rectangle"}, {"name": "cow", "type": "rectangle"}])
    found = list(compare_with_directory(functions[0], listed(spec=spec, **{"preannotate.fingerprint": fingerprint})))

    assert found == [
        warning(
            "cats",
            "the deployed labels are not those of the directory: 'cow' only there, 'dog' only in the directory.",
            f"Deploy {directory.parent} again.",
        )
    ]


def test_parts_that_are_not_there():
    assert part({"a": {"b": 1}}, "a", "b") == 1
    assert part({"a": None}, "a", "b") is None
    assert part({}, "a", "b") is None


def test_both_variants_as_their_files_describe_them(directory, functions, fingerprint):
    cpu, gpu = functions

    assert (cpu.name, gpu.name) == ("cats", "cats-gpu")
    assert cpu.file == str(directory / "function.yaml")
    assert cpu.path == directory.parent
    assert cpu.labels == gpu.labels == (("cat", "rectangle"), ("dog", "rectangle"))
    assert cpu.fingerprint == gpu.fingerprint == fingerprint
    assert cpu.settings.base_image.startswith("preannotate/openvino:")
    assert cpu.settings.workers == 2


def test_a_variant_that_cannot_be_read_does_not_hide_the_other(directory):
    (directory / "function.yaml").write_text("metadata: }")
    functions, problems = read_variants(directory.parent, directory)

    assert [function.name for function in functions] == ["cats-gpu"]
    assert problems == [
        f"{directory}/function.yaml: not YAML (line 1); expected the configuration of a nuclio function. Correct it."
    ]


def test_a_missing_variant_is_passed_over(directory):
    (directory / "function-gpu.yaml").unlink()

    assert [function.name for function in read_variants(directory, directory)[0]] == ["cats"]


def test_labels_of_a_stranger():
    assert labels_of('[{"name": "b"}, {"name": "a", "type": "polygon"}]') == (("a", "polygon"), ("b", "any"))
    for spec in ("", "[]", "no JSON", "[1]", '{"a": 1}', '[{"id": 1}]'):
        assert labels_of(spec) == ()
