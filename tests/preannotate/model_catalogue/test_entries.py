import re

import pytest
import yaml

from builder.imports import adapters
from preannotate.model_catalogue import entries
from preannotate.model_catalogue.entries import CatalogueError, find, read_catalogue, read_entry
from trainer import published_weights
from trainer.coco_classes import COCO_CLASSES

GOOD = {
    "title": "Squares",
    "use": "squares",
    "licence": "MIT",
    "page": "https://example.org/squares",
    "address": "https://example.org/squares.onnx",
    "size": 1000,
    "sha256": "0" * 64,
    "adapter": "yolox",
    "input": "64x48",
    "labels": ["red", "blue"],
    "accuracy": "mAP 99 on squares",
}


def write(folder, **changes):
    path = folder / "squares.yaml"
    path.write_text(yaml.safe_dump({key: value for key, value in (GOOD | changes).items() if value is not None}))
    return path


def test_the_catalogue_can_be_read_and_names_the_official_files():
    catalogue = read_catalogue()

    assert list(catalogue) == [
        "coco-faster-rcnn",
        "coco-fastestdet",
        "coco-mask-rcnn",
        "coco-ssdlite",
        "coco-yolox-nano",
        "coco-yolox-s",
        "coco-yolox-tiny",
    ]
    for model in catalogue.values():
        assert set(model.answers) == set(COCO_CLASSES)
        assert model.licence in entries.LICENCES
        assert "COCO" in model.accuracy
        assert model.adapter in adapters.names()
        assert (model.address is None) == (model.sha256 is None) == (model.size is None)
    for name, weights in published_weights.CATALOGUE.items():
        model = catalogue[f"coco-{name}"]
        assert (model.address, model.base_weights) == (weights.export, name)
        assert model.size <= weights.max_bytes


def test_numbers_of_coco_s_own_files_without_a_class_are_not_answered():
    model = find("coco-ssdlite")

    assert len(model.labels) == 90
    assert model.labels[11:13] == ("unused 12", "stop sign")
    assert model.labels[-1] == "toothbrush"
    assert model.answers == COCO_CLASSES


def test_an_entry_becomes_a_record(tmp_path):
    model = read_entry(write(tmp_path))

    assert (model.name, model.labels, model.answers) == ("squares", ("red", "blue"), ("red", "blue"))
    assert (model.input_size, model.size, model.max_bytes) == ((64, 48), 1000, 1000)
    brief = read_entry(write(tmp_path, address=None, size=None, sha256=None, input=None, accuracy=None))
    assert (brief.address, brief.sha256, brief.input_size, brief.accuracy) == (None, None, None, "")
    assert brief.max_bytes == entries.MAX_BYTES


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"address": "http://example.org/a.onnx"}, "address 'http://example.org/a.onnx', which is not https"),
        ({"address": "https://me:secret@example.org/a"}, "which is not https without a login"),
        ({"address": "file:///etc/passwd"}, "which is not https"),
        ({"page": "javascript:alert(1)"}, "page 'javascript:alert(1)', which is not https"),
        ({"size": 2**31}, "size 2147483648, which is no number of bytes up to 1073741824"),
        ({"size": "1000"}, "size '1000', which is no number of bytes"),
        ({"size": True}, "size True, which is no number of bytes"),
        ({"sha256": "abc"}, "sha256 'abc', which is not 64 digits"),
        ({"licence": "AGPL-3.0"}, "licence 'AGPL-3.0', which is none of Apache-2.0"),
        ({"adapter": "../yolox"}, "adapter '../yolox', which does not exist"),
        ({"input": "0x48"}, "input '0x48', which is not WIDTHxHEIGHT"),
        ({"input": "9999x9999"}, "input '9999x9999', which is not WIDTHxHEIGHT"),
        ({"labels": "voc"}, "labels that are neither coco, nor coco-91, nor a list of names"),
        ({"labels": ["red", "red"]}, "a label that is there twice"),
        ({"labels": [1, 2]}, "a label that is no text"),
        ({"labels": ["a\x1b[2J"]}, "a label that is no text"),
        ({"title": 3}, "title 3, which is no text of one line"),
        ({"use": "a\nb"}, "which is no text of one line"),
        ({"base_weights": "yolox-x"}, "base_weights 'yolox-x', which no training starts from"),
        ({"licence": None}, "no licence"),
        ({"command": "rm"}, "unknown keys command"),
    ],
)
def test_what_an_entry_must_not_say(tmp_path, changes, found):
    with pytest.raises(CatalogueError, match=re.escape(found)) as caught:
        read_entry(write(tmp_path, **changes))
    assert str(caught.value).startswith(f"{tmp_path / 'squares.yaml'}: ")
    assert str(caught.value).endswith("; expected a model of the catalogue. Correct it.")


@pytest.mark.parametrize("text", ["- a", "a: [", "a: &a [*a]", "{1: 2}", "x" * (1 << 21), "[" * 100])
def test_what_is_no_entry(tmp_path, text):
    (tmp_path / "squares.yaml").write_text(text)

    with pytest.raises(CatalogueError, match="expected a model of the catalogue"):
        read_entry(tmp_path / "squares.yaml")


def test_a_name_that_no_function_may_have(tmp_path):
    (tmp_path / "Big Name.yaml").write_text(yaml.safe_dump(GOOD))

    with pytest.raises(CatalogueError, match="expected 1 to 52 lower-case letters"):
        read_entry(tmp_path / "Big Name.yaml")


def test_a_name_that_is_not_there():
    with pytest.raises(CatalogueError, match=r"^get: 'yolo99' is not in the catalogue; expected one of: coco-faster"):
        find("yolo99")
