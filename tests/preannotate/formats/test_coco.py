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
    ("annotation", "kind", "box"),
    [
        ({"bbox": [1, 1, 3, 2], "segmentation": [[0, 0]]}, "box", (1, 1, 4, 3)),
        ({"bbox": [1, 1, 3, 2], "segmentation": [[0, 0, 0, 0, 0, 0]]}, "box", (1, 1, 4, 3)),
        ({"bbox": [1, 1, 3, 2], "segmentation": [[1, "x"]]}, "box", (1, 1, 4, 3)),
        ({"bbox": [1, 1, 3, 2], "segmentation": {"counts": [3], "size": [4, 6]}}, "box", (1, 1, 4, 3)),
        ({"bbox": [1, 1, 3, 2], "keypoints": [2, 2, 2, 3, 2, 1]}, "box", (1, 1, 4, 3)),
        ({"keypoints": [2, 2, 2, 3, 1, 1, 0, 0, 0]}, "skeleton", (2, 1, 3, 2)),
        ({"bbox": ["1", "1.0", 3, 2]}, "box", (1, 1, 4, 3)),
        ({"bbox": [4, 3, -3, -2]}, "box", (4, 3, 1, 1)),
        ({"image_id": "1", "category_id": 5.0, "bbox": [1, 1, 3, 2]}, "box", (1, 1, 4, 3)),
        ({"image_id": "a.jpg", "bbox": [1, 1, 3, 2]}, "box", (1, 1, 4, 3)),
    ],
)
def test_what_surrounds_a_good_box_does_not_spoil_it(tmp_path, annotation, kind, box):
    (shape,) = coco.read(write(tmp_path, annotation)).frames[0].shapes

    assert (shape.label, shape.kind, shape.box, shape.problem) == ("cat", kind, box, "")


@pytest.mark.parametrize(
    ("annotation", "label", "problem", "box"),
    [
        ({"category_id": 6, "bbox": [1, 1, 3, 2]}, "", "of a class that is not declared", (1, 1, 4, 3)),
        ({"segmentation": [[1, 2], 3]}, "cat", "without a box", None),
        ({"segmentation": [[1, 2, 3, 4]]}, "cat", "polygon of fewer than three points", (1, 2, 3, 4)),
        ({"bbox": [1, 2, 3]}, "cat", "without a box", None),
        ({"bbox": [1, 2, 3, 4, 90]}, "cat", "without a box", None),
        ({}, "cat", "without a box", None),
        ({"bbox": [1, 2, None, 3]}, "cat", "with coordinates that are no numbers", None),
        ({"bbox": [1, 2, 1e999, 3]}, "cat", "with coordinates that are no numbers", None),
        ({"bbox": [1, 2, 10**400, 3]}, "cat", "with coordinates that are no numbers", None),
        ({"segmentation": {"counts": [5, 3], "size": [2, 4]}}, "cat", "mask of another size than its image", None),
        ({"segmentation": {"counts": [3], "size": [4, 6]}}, "cat", "mask whose runs do not fill its size", None),
        ({"segmentation": {"counts": "o" * 9999, "size": [4, 6]}}, "cat", "mask whose runs do not fill its size", None),
    ],
)
def test_an_odd_annotation_is_left_out_with_its_place(tmp_path, annotation, label, problem, box):
    good, odd = coco.read(write(tmp_path, {"bbox": [0, 0, 2, 2]}, annotation)).frames[0].shapes

    assert (good.problem, good.box) == ("", (0, 0, 2, 2))
    assert (odd.label, odd.problem, odd.box) == (label, problem, box)
    assert odd.where == "instances_default.json: annotation 8"


@pytest.mark.parametrize(
    ("changes", "left_out"),
    [
        (
            {"annotations": [7, {"id": 3, "image_id": 9, "category_id": 5, "bbox": [1, 1, 2, 2]}]},
            [
                ("entry that is not understood", "instances_default.json: annotations[0]"),
                ("of an image that is not listed", "instances_default.json: annotation 3"),
            ],
        ),
        (
            {"images": [{"id": 1, "file_name": "a.jpg"}, {"id": 2}, {"id": [1], "file_name": "b.jpg"}]},
            [
                ("entry that is not understood", "instances_default.json: images[1]"),
                ("entry that is not understood", "instances_default.json: images[2]"),
            ],
        ),
        (
            {"categories": [{"id": 5, "name": "cat"}, {"name": "dog"}]},
            [("entry that is not understood", "instances_default.json: categories[1]")],
        ),
    ],
)
def test_an_odd_entry_is_left_out_with_its_place(tmp_path, changes, left_out):
    export = coco.read(write(tmp_path, **changes))

    assert [(entry.reason, entry.where) for entry in export.left_out] == left_out
    assert [frame.name for frame in export.frames] == ["a.jpg"]


def test_shapes_of_an_id_that_two_share_are_used_on_neither(tmp_path):
    images = [{"id": 1, "file_name": "a.jpg"}, {"id": 1, "file_name": "b.jpg"}]
    of_images = coco.read(write(tmp_path / "1", {"bbox": [1, 1, 3, 2]}, images=images))
    categories = [{"id": 5, "name": "cat"}, {"id": 5, "name": "dog"}]
    of_categories = coco.read(write(tmp_path / "2", {"bbox": [1, 1, 3, 2]}, categories=categories))

    shapes = [shape for export in (of_images, of_categories) for frame in export.frames for shape in frame.shapes]
    assert [shape.problem for shape in shapes] == ["of an id that two images or two categories share"] * 3


def test_an_image_that_is_listed_twice_has_the_shapes_of_both_once(tmp_path):
    images = [{"id": 1, "file_name": "a.jpg"}, {"id": 2, "file_name": "a.jpg"}]
    boxes = [{"bbox": [1, 1, 3, 2]}, {"image_id": 2, "bbox": [1, 1, 3, 2]}, {"image_id": 2, "bbox": [0, 0, 2, 2]}]
    (frame,) = coco.read(write(tmp_path, *boxes, images=images)).frames

    assert [shape.box for shape in frame.shapes] == [(1, 1, 4, 3), (0, 0, 2, 2)]


def test_an_annotation_that_is_there_twice_counts_once(tmp_path):
    """Equal in everything: another box under the same id is another object."""
    export = coco.read(write(tmp_path, {"bbox": [1, 1, 3, 2]}, {"bbox": [1, 1, 3, 2]}, {"bbox": [0, 0, 2, 2]}))

    assert [shape.box for shape in export.frames[0].shapes] == [(1, 1, 4, 3), (0, 0, 2, 2)]
    assert [(entry.reason, entry.where) for entry in export.left_out] == [
        ("entry that is there twice", "instances_default.json: annotation 8")
    ]


def test_categories_without_a_name_are_no_labels(tmp_path):
    categories = [{"id": 5, "name": None}, {"id": 6, "name": " "}, {"id": 7, "name": 7}]
    export = coco.read(write(tmp_path, {"bbox": [1, 1, 3, 2]}, categories=categories))

    assert export.labels == ("7",)
    assert export.frames[0].shapes[0].problem == "without a label"


def test_a_damaged_file_beside_whole_ones_is_left_out(tmp_path):
    write(tmp_path, {"bbox": [1, 1, 3, 2]})
    annotation_exports.write_text(tmp_path / "annotations/instances_val.json", '{"images": [')
    export = coco.read(tmp_path)

    assert [(len(frame.shapes)) for frame in export.frames] == [1]
    assert [(entry.reason, entry.where) for entry in export.left_out] == [
        ("annotation file that cannot be read", "instances_val.json: Expecting value: line 1 column 13 (char 12)")
    ]


def test_an_impossible_file_is_named(tmp_path):
    export = write(tmp_path, images={})
    sentence = "instances_default.json: images is of type dict; expected a list. Export again."
    with pytest.raises(DatasetError, match=f"^{re.escape(sentence)}$"):
        coco.read(export)


def test_broken_json_is_named(tmp_path):
    annotation_exports.write_text(tmp_path / "annotations/instances_default.json", '{"images": [')
    sentence = "instances_default.json: Expecting value: line 1 column 13 (char 12); expected JSON. Export again."
    with pytest.raises(DatasetError, match=f"^{re.escape(sentence)}$"):
        coco.read(tmp_path)
