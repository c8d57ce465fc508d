"""Two versions on the same images, asked through what was built."""

import hashlib
import json

import numpy as np
import pytest
from support.pipeline import red, write_function

from evaluation import ground_truth
from evaluation.ground_truth import AnnotatedImage
from preannotate.core.files import write_json
from preannotate.pipeline import comparison
from preannotate.pipeline.comparison import Comparison, compare, describe
from preannotate.pipeline.errors import PipelineError
from preannotate.registry import versions
from preannotate.registry.workspace import ModelFolder

pytest.importorskip("nuclio_sdk")
IMAGES = {f"{i}.png": red((i, 8, i + 20, 40), grey=i) for i in range(4)}


def content(name):
    return hashlib.sha256(IMAGES[name]).hexdigest()


@pytest.fixture
def make(tmp_path):
    """A version, validated on some images and trained on others."""

    def make(number, validation, trained, shift=0, labels=("cat", "dog")):
        version = ModelFolder(tmp_path / "models" / "pets").version(number)
        function = write_function(version.function.parent, "pets", shift=shift, labels=labels)
        (function / "validation").mkdir()
        for name in validation:
            (function / "validation" / name).write_bytes(IMAGES[name])
        boxes = [np.array([[int(name[0]), 8, int(name[0]) + 20, 40]], np.float32) for name in validation]
        ids = np.zeros(1, np.int64)
        truth = [AnnotatedImage(n, n, (64, 64), box, ids) for n, box in zip(validation, boxes, strict=True)]
        ground_truth.write(function / "validation", labels, truth)
        (version.run / "data").mkdir(parents=True)
        samples = [{"content": content(name)} for name in trained]
        (version.run / "data" / "train.json").write_text(json.dumps({"samples": samples}))
        versions.record_version(version)
        return version

    return make


def test_images_that_the_published_version_learnt_do_not_count(make):
    old = make(1, ["0.png"], ["1.png", "2.png"], shift=12)
    new = make(2, ["0.png", "1.png", "3.png"], ["2.png"])

    assert compare(new, old) == Comparison(1, 2, map50=1.0, mean_ap=1.0, map50_published=0.0, mean_ap_published=0.0)
    assert new.record()["comparison"]["images"] == 2


def test_classes_are_compared_by_name(make):
    """What the published one finds at the place of a cat it calls dog, its first class, and bird."""
    old = make(1, [], [], labels=("dog", "bird"))
    new = make(2, ["0.png"], [])

    found = compare(new, old)

    assert (found.map50, found.map50_published) == (1.0, 0.0)


@pytest.mark.parametrize("renamed", [1, 2])
def test_classes_that_were_renamed_in_function_yaml_still_count(make, renamed):
    pair = make(1, [], []), make(2, ["0.png"], [])
    file = pair[renamed - 1].function / "nuclio" / "function.yaml"
    file.write_text(file.read_text().replace('"name": "cat"', '"name": "kitten"'))

    found = compare(pair[1], pair[0])

    assert (found.map50, found.map50_published) == (1.0, 1.0)


def test_the_comparison_is_made_once(make, monkeypatch):
    old, new = make(1, [], []), make(2, ["0.png"], [])
    first = compare(new, old)
    monkeypatch.setattr(comparison, "detect_with_variant", None)

    assert compare(new, old) == first
    assert not first.better


def test_tighter_boxes_are_better_where_map50_cannot_tell(make):
    """Two of 20 pixels beside the object: IoU 18/22, right from 0.50 to 0.80, and loose."""
    loose, tight = make(1, ["0.png"], [], shift=2), make(2, ["0.png"], [])

    found = compare(tight, loose)

    assert (found.map50, found.map50_published) == (1.0, 1.0)
    assert (found.mean_ap, found.mean_ap_published) == (1.0, 0.7)
    assert found.better
    assert not compare(loose, tight).better
    assert "mAP50 1.000, mAP 1.000 against mAP50 1.000, mAP 0.700 of version 1" in describe("pets", 2, found)


def test_a_comparison_of_an_earlier_release_is_made_again(make):
    old, new = make(1, [], []), make(2, ["0.png"], [])
    kept = {"published": 1, "images": 1, "map50": 0.4, "map50_published": 0.3}
    write_json(new.record_file, new.record() | {"comparison": kept})

    assert compare(new, old).mean_ap == 1.0


def test_nothing_that_is_new_to_both(make):
    old, new = make(1, [], ["0.png"]), make(2, ["0.png"], [])

    found = compare(new, old)

    assert not found.better
    assert describe("pets", 2, found) == (
        "version 2 of pets: version 1, which is published, was trained on all validation images; expected some that "
        "are new to both. Publish it by hand if you trust it: preannotate publish pets 2."
    )


def test_an_imported_version_was_trained_on_none_of_the_images(make):
    old, new = make(1, [], [], shift=12), make(2, ["0.png"], [])
    (old.run / "data" / "train.json").unlink()
    manifest = old.function / "nuclio" / "model.json"
    content = json.loads(manifest.read_text())
    manifest.write_text(json.dumps(content | {"provenance": content["provenance"] | {"imported": {"kind": "onnx"}}}))

    assert compare(new, old) == Comparison(1, 1, map50=1.0, mean_ap=1.0, map50_published=0.0, mean_ap_published=0.0)


def test_a_version_whose_training_images_are_gone(make):
    old, new = make(1, [], []), make(2, ["0.png"], [])
    (old.run / "data" / "train.json").unlink()

    with pytest.raises(PipelineError) as caught:
        compare(new, old)

    assert str(caught.value) == (
        f"{old.run}/data/train.json: not found; expected the list of images that version 1 was trained on."
    )


def test_a_version_without_frozen_images(make):
    old, new = make(1, [], []), make(2, ["0.png"], [])
    (new.function / "validation" / "ground_truth.json").unlink()

    with pytest.raises(PipelineError, match="expected the frozen validation images of a run"):
        compare(new, old)


def test_masks_decide_and_boxes_are_told_beside_them():
    found = Comparison(1, 3, 0.8, 0.5, 0.7, 0.6, 0.9, 0.7, 0.95, 0.8)

    assert found.better
    assert describe("pets", 2, found) == (
        "version 2 of pets: masks mAP50 0.800, mAP 0.500 (boxes mAP50 0.900, mAP 0.700) against masks mAP50 0.700, mAP "
        "0.600 (boxes mAP50 0.950, mAP 0.800) of version 1, which is published, on 3 images that neither was trained on"
    )
