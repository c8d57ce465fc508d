import json
import re

import pytest
from support import annotation_exports

from preannotate.formats import coco
from preannotate.formats.records import DatasetError
from trainer.datasets import load_dataset


def write(folder, *annotations, name="instances_default.json", **changes):
    annotation_exports.draw(folder / "images/a.jpg", (6, 4))
    content = {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 6, "height": 4}],
        "categories": [{"id": 5, "name": "cat"}],
        "annotations": [{"id": 8, "image_id": 1, "category_id": 5} | annotation for annotation in annotations],
    }
    annotation_exports.write_text(folder / "annotations" / name, json.dumps(content | changes))
    return folder


@pytest.mark.parametrize(
    ("annotation", "kind", "box"),
    [
        ({"bbox": [1, 1, 3, 2]}, "box", (1, 1, 4, 3)),
        ({"bbox": [1, 1, 4, 2], "attributes": {"rotation": 90.0}}, "rotated box", (2, 0, 4, 4)),
        ({"bbox": [1, 1, 3, 2], "attributes": {"rotation": 0.0}, "segmentation": []}, "box", (1, 1, 4, 3)),
        ({"segmentation": [[1, 1, 3, 1, 2, 3], [4, 0, 5, 1, 4, 1]]}, "polygon", (1, 0, 5, 3)),
        ({"segmentation": [1, 1, 3, 1, 2, 3]}, "polygon", (1, 1, 3, 3)),
        # columns of 4: .... .XX. .X.. and three empty ones
        ({"segmentation": {"counts": [5, 2, 2, 1, 14], "size": [4, 6]}, "iscrowd": 1}, "mask", (1, 1, 3, 3)),
        ({"segmentation": {"counts": "522O<", "size": [4, 6]}}, "mask", (1, 1, 3, 3)),
    ],
)
def test_each_kind_of_annotation_gives_its_tight_box(tmp_path, annotation, kind, box):
    (shape,) = coco.read(write(tmp_path, annotation)).frames[0].shapes

    assert (shape.label, shape.kind) == ("cat", kind)
    assert shape.box == pytest.approx(box)


def test_keypoints_beside_instances_are_not_read_twice(tmp_path):
    export = write(tmp_path / "export", {"bbox": [1, 1, 3, 2]})
    write(export, {"bbox": [0, 0, 1, 1]}, name="person_keypoints_default.json")

    assert load_dataset([export], tmp_path / "store").health.boxes == 1


def test_subset_folders_with_their_own_files_are_read(tmp_path):
    for part in ("train", "valid"):
        folder = write(tmp_path / part, {"bbox": [1, 1, 3, 2]})
        (folder / "annotations/instances_default.json").rename(folder / "_annotations.coco.json")
        (folder / "images/a.jpg").rename(folder / "a.jpg")

    assert [frame.image.parent.name for frame in coco.read(tmp_path).frames] == ["train", "valid"]


@pytest.mark.parametrize(
    ("annotation", "sentence"),
    [
        ({"image_id": 2}, " has image_id 2; expected one of images. Export again."),
        ({"category_id": 6}, " has category_id 6; expected one of categories. Export again."),
        ({"segmentation": [[1, 2], 3]}, " has segmentation 3; expected lists of numbers. Export again."),
        ({"bbox": [1, 2, 3]}, " has bbox [1, 2, 3]; expected x, y, width, height. Export again."),
        ({"bbox": [1, 2, None, 3]}, ": bbox is None; expected a finite number. Correct the shape or export again."),
        ({"bbox": [1, 2, 1e999, 3]}, ": bbox is inf; expected a finite number. Correct the shape or export again."),
        (
            {"segmentation": {"counts": [3], "size": [4, 6]}},
            ": a mask whose runs do not fill its size; expected height x width pixels. Draw it again or export again.",
        ),
    ],
)
def test_an_impossible_annotation_is_named(tmp_path, annotation, sentence):
    export = write(tmp_path, annotation)
    with pytest.raises(DatasetError, match=f"^{re.escape('instances_default.json: annotation 8' + sentence)}$"):
        coco.read(export)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"images": {}}, "instances_default.json: images is of type dict; expected a list. Export again."),
        ({"images": [{"id": 1}]}, "instances_default.json: images[0] has no file_name; expected it. Export again."),
        (
            {"annotations": [7]},
            "instances_default.json: annotations[0] has no image_id, category_id; expected it. Export again.",
        ),
    ],
)
def test_an_impossible_file_is_named(tmp_path, changes, sentence):
    export = write(tmp_path, **changes)
    with pytest.raises(DatasetError, match=f"^{re.escape(sentence)}$"):
        coco.read(export)


def test_broken_json_is_named(tmp_path):
    annotation_exports.write_text(tmp_path / "annotations/instances_default.json", '{"images": [')
    sentence = "instances_default.json: Expecting value: line 1 column 13 (char 12); expected JSON. Export again."
    with pytest.raises(DatasetError, match=f"^{re.escape(sentence)}$"):
        coco.read(tmp_path)


def test_an_id_that_is_no_id_is_named(tmp_path):
    export = write(tmp_path, images=[{"id": [1], "file_name": "a.jpg"}])
    sentence = "instances_default.json: images[0] has id [1]; expected a number or text. Export again."
    with pytest.raises(DatasetError, match=f"^{re.escape(sentence)}$"):
        coco.read(export)
