"""`model.json`: what is written is read back, and each mistake is named."""

import json
import re
from dataclasses import replace

import pytest

from runtime.errors import ManifestError
from runtime.manifest import Manifest, MaskHead, MaskKind, Postprocess, Tiles

MANIFEST = Manifest(
    family="ssd",
    labels=("cat", "Hund ü \"'\n"),
    input_size=(320, 256),
    postprocess=Postprocess(0.5, (0.4, 0.6), iou_threshold=0.55, max_detections=100),
    provenance={"seed": 7, "metrics": {"map50": 0.9}},
)

POSTPROCESS = {"threshold": 0.5, "thresholds": [0.4, 0.6], "iou_threshold": 0.5, "max_detections": 10}


@pytest.fixture
def path(tmp_path):
    MANIFEST.write(tmp_path / "model.json")
    return tmp_path / "model.json"


def edit(path, **changes):
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **changes}), encoding="utf-8")


def expect(path, sentence):
    with pytest.raises(ManifestError, match=f"^{re.escape(sentence)}$"):
        Manifest.read(path)


def test_what_is_written_is_read_back_from_the_file_and_from_its_directory(path):
    assert Manifest.read(path) == MANIFEST
    assert Manifest.read(path.parent) == MANIFEST


def test_no_file(tmp_path):
    path = tmp_path / "model.json"
    expect(
        path,
        f"{path}: no such file; expected the manifest of a trained model. Run `preannotate build` again.",
    )


def test_no_json(path):
    path.write_text("{")
    expect(
        path,
        f"{path}: Expecting property name enclosed in double quotes: line 1 column 2 (char 1); "
        "expected a JSON object. Build the function again.",
    )


def test_another_format(path):
    edit(path, format=2)
    expect(path, f"{path}: format 2; expected 1. Build the function again with this version of Preannotate.")


def test_a_list(path):
    path.write_text("[]")
    expect(path, f"{path}: format 'list'; expected 1. Build the function again with this version of Preannotate.")


def test_a_missing_key(path):
    content = json.loads(path.read_text(encoding="utf-8"))
    del content["family"]
    path.write_text(json.dumps(content))
    expect(
        path,
        f"{path}: KeyError 'family'; expected the keys family, labels, input_size, padding and postprocess. "
        "Build the function again.",
    )


def test_another_padding(path):
    edit(path, padding=[0, 0, 0])
    expect(path, f"{path}: padding (0, 0, 0); expected (124, 116, 104), the only one this runtime draws.")


@pytest.mark.parametrize("labels", [[], ["cat", "cat"]])
def test_no_labels_or_one_twice(path, labels):
    edit(path, labels=labels)
    expect(path, f"{path}: labels {labels!r}; expected at least one, each only once.")


def test_another_number_of_thresholds(path):
    edit(path, labels=["cat", "dog", "cow"])
    expect(path, f"{path}: 2 thresholds; expected 3, one for each label.")


def test_files_without_a_choice_of_suppression_keep_boxes_of_all_classes(path):
    content = json.loads(path.read_text(encoding="utf-8"))
    del content["postprocess"]["agnostic_iou_threshold"]
    path.write_text(json.dumps(content))

    assert Manifest.read(path).postprocess.agnostic_iou_threshold is None


def test_class_agnostic_suppression_is_written_and_read(path):
    manifest = replace(MANIFEST, postprocess=replace(MANIFEST.postprocess, agnostic_iou_threshold=0.8))
    manifest.write(path)

    assert Manifest.read(path) == manifest


@pytest.mark.parametrize("value", [-0.1, 1.5, float("nan")])
def test_an_overlap_that_is_none(path, value):
    edit(path, postprocess={**POSTPROCESS, "agnostic_iou_threshold": value})
    expect(path, f"{path}: threshold {value!r}; expected a number in [0, 1].")


def test_an_overlap_that_is_no_number(path):
    edit(path, postprocess={**POSTPROCESS, "agnostic_iou_threshold": {}})
    with pytest.raises(ManifestError, match="TypeError"):
        Manifest.read(path)


@pytest.mark.parametrize("value", [-0.1, 1.5, float("nan")])
def test_a_threshold_that_is_none(path, value):
    edit(path, postprocess={**POSTPROCESS, "thresholds": [0.5, value]})
    expect(path, f"{path}: threshold {value!r}; expected a number in [0, 1].")


def test_an_input_without_pixels(path):
    edit(path, input_size=[0, 320])
    expect(path, f"{path}: input_size [0, 320], max_detections 100; expected positive numbers.")


def test_tiles_are_written_and_read_and_files_without_them_have_none(path):
    tiled = replace(MANIFEST, tiles=Tiles(3, 0.25))
    tiled.write(path)
    assert Manifest.read(path) == tiled

    content = json.loads(path.read_text(encoding="utf-8"))
    del content["tiles"]
    path.write_text(json.dumps(content))
    assert Manifest.read(path).tiles is None


@pytest.mark.parametrize(("per_side", "overlap"), [(1, 0.2), (5, 0.2), (2, 0.05), (2, 0.6), (2, float("nan"))])
def test_tiles_that_are_too_many_or_none(path, per_side, overlap):
    edit(path, tiles={"per_side": per_side, "overlap": overlap})
    expect(
        path,
        f"{path}: tiles {{'per_side': {per_side}, 'overlap': {overlap}}}; expected per_side from 2 to 4 and overlap "
        "from 0.1 to 0.5.",
    )


def test_an_infinite_number_of_tiles(path):
    edit(path, tiles={"per_side": float("inf"), "overlap": 0.2})
    expect(
        path,
        f"{path}: OverflowError cannot convert float infinity to integer; expected the keys family, labels, "
        "input_size, padding and postprocess. Build the function again.",
    )


def test_nan_is_not_written(tmp_path):
    with pytest.raises(ValueError, match="Out of range float values are not JSON compliant"):
        Manifest("ssd", ("a",), (1, 1), Postprocess(0.5, (0.5,)), {"loss": float("nan")}).write(tmp_path / "m")


def test_masks_are_written_only_for_a_network_that_gives_them(path):
    assert not {"mask_head", "label_types"} & set(json.loads(path.read_text(encoding="utf-8")))
    assert [MANIFEST.label_type(class_id) for class_id in (0, 1)] == ["rectangle", "rectangle"]
    for head in (MaskHead(MaskKind.PROTOTYPES), MaskHead(MaskKind.KERNELS, (8, 8, 1))):
        manifest = replace(MANIFEST, mask_head=head, label_types=("polygon", "mask"))
        manifest.write(path)
        assert Manifest.read(path) == manifest
        assert [manifest.label_type(class_id) for class_id in (0, 1)] == ["polygon", "mask"]
    assert replace(manifest, label_types=()).label_type(0) == "mask"


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"label_types": ["mask"]}, "label_types ['mask']; expected one of rectangle, polygon, mask for each label."),
        (
            {"label_types": ["mask", "ellipse"]},
            "label_types ['mask', 'ellipse']; expected one of rectangle, polygon, mask for each label.",
        ),
        (
            {"mask_head": {"kind": "kernels"}},
            "mask_head of kind kernels with layers []; expected layers if the kind is kernels, and only then. "
            "Build the function again.",
        ),
        (
            {"mask_head": {"kind": "kernels", "layers": [10**9, 1]}},
            "mask_head with layers [1000000000, 1]; expected at most 8, each of 1 to 256 channels, the last of 1. "
            "Build the function again.",
        ),
        (
            {"mask_head": {"kind": "kernels", "layers": [1] * 1000}},
            "mask_head with layers [1, 1, 1, 1, 1, 1, ...]; expected at most 8, each of 1 to 256 channels, the last of "
            "1. Build the function again.",
        ),
        (
            {"mask_head": {"kind": "outlines"}},
            "ValueError 'outlines' is not a valid MaskKind; expected the keys family, labels, input_size, padding and "
            "postprocess. Build the function again.",
        ),
    ],
)
def test_masks_that_are_none(path, changes, sentence):
    edit(path, **changes)
    expect(path, f"{path}: {sentence}")
