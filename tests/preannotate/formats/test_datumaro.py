import json
import re

import pytest
from support import annotation_exports

from preannotate.formats import datumaro
from preannotate.formats.records import DatasetError


def write(folder, *annotations):
    content = {
        "categories": {"label": {"labels": [{"name": "cat", "parent": ""}]}},
        "items": [
            {"id": "a", "annotations": list(annotations), "image": {"path": "a.jpg", "size": [4, 6]}},
        ],
    }
    annotation_exports.write_text(folder / "annotations/default.json", json.dumps(content))
    return folder


@pytest.mark.parametrize(
    ("annotation", "kind", "box"),
    [
        ({"type": "bbox", "bbox": [1, 1, 3, 2]}, "box", (1, 1, 4, 3)),
        ({"type": "bbox", "bbox": [1, 1, 4, 2], "attributes": {"rotation": 90}}, "rotated box", (2, 0, 4, 4)),
        ({"type": "rotated_bbox", "points": [3, 2, 4, 2, 90]}, "rotated box", (2, 0, 4, 4)),
        ({"type": "polygon", "points": [1, 1, 3, 1, 2, 3]}, "polygon", (1, 1, 3, 3)),
        ({"type": "ellipse", "points": [1, 1, 5, 3]}, "ellipse", (1, 1, 5, 3)),
        ({"type": "mask", "rle": {"counts": "522O<", "size": [4, 6]}}, "mask", (1, 1, 3, 3)),
        ({"type": "label"}, "tag", None),
        ({"type": "points", "points": [1, 1, 5, 2]}, "points", (1, 1, 5, 2)),
        ({"type": "cuboid_2d"}, "cuboid", None),
        ({"type": "skeleton"}, "skeleton", None),
        ({"type": "skeleton", "elements": [{"points": [1, 1, 2]}, {"points": [4, 3]}]}, "skeleton", (1, 1, 4, 3)),
    ],
)
def test_each_kind_of_annotation_gives_its_tight_box(tmp_path, annotation, kind, box):
    (frame,) = datumaro.read(write(tmp_path, {"label_id": 0} | annotation)).frames
    (shape,) = frame.shapes

    assert frame.declared_size == (6, 4)
    assert (shape.label, shape.kind) == ("cat", kind)
    assert shape.box == (None if box is None else pytest.approx(box))


@pytest.mark.parametrize(
    ("annotation", "label", "problem", "box"),
    [
        ({"label_id": 1}, "", "of a class that is not declared", (1, 1, 3, 3)),
        ({"label_id": None}, "", "of a class that is not declared", (1, 1, 3, 3)),
        ({"bbox": [1, 2]}, "cat", "without a box", None),
        ({"bbox": ["x", 2, 3, 4]}, "cat", "with coordinates that are no numbers", None),
        ({"type": "mask"}, "cat", "mask whose runs do not fill its size", None),
        ({"type": "polygon", "points": [1, 1, 3, 3]}, "cat", "polygon of fewer than three points", (1, 1, 3, 3)),
        ({"type": 7}, "", "entry that is not understood", None),
    ],
)
def test_an_odd_annotation_is_left_out_with_its_place(tmp_path, annotation, label, problem, box):
    good = {"type": "bbox", "label_id": 0, "bbox": [1, 1, 2, 2]}
    odd, kept = datumaro.read(write(tmp_path, good | annotation, good)).frames[0].shapes

    assert (odd.label, odd.problem, odd.box) == (label, problem, box)
    assert odd.where == "default.json: item 'a', annotation 1"
    assert (kept.problem, kept.box) == ("", (1, 1, 3, 3))


def test_an_item_without_an_id_is_left_out(tmp_path):
    path = write(tmp_path) / "annotations/default.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | {"items": [*content["items"], 3, {"id": []}]}))
    export = datumaro.read(tmp_path)

    assert [frame.name for frame in export.frames] == ["a.jpg"]
    assert [entry.where for entry in export.left_out] == ["default.json: items[1]", "default.json: items[2]"]


def test_broken_json_is_named(tmp_path):
    annotation_exports.write_text(tmp_path / "annotations/default.json", "[1,")
    sentence = "default.json: Expecting value: line 1 column 4 (char 3); expected JSON. Export again."
    with pytest.raises(DatasetError, match=f"^{re.escape(sentence)}$"):
        datumaro.read(tmp_path)
