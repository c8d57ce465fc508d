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
        ({"type": "points", "points": [1, 1]}, "points", None),
        ({"type": "cuboid_2d"}, "cuboid", None),
        ({"type": "skeleton"}, "skeleton", None),
    ],
)
def test_each_kind_of_annotation_gives_its_tight_box(tmp_path, annotation, kind, box):
    (frame,) = datumaro.read(write(tmp_path, {"label_id": 0} | annotation)).frames
    (shape,) = frame.shapes

    assert frame.declared_size == (6, 4)
    assert (shape.label, shape.kind) == ("cat", kind)
    assert shape.box == (None if box is None else pytest.approx(box))


@pytest.mark.parametrize(
    ("annotation", "sentence"),
    [
        ({"label_id": 1}, " has label_id 1; expected 0 to 0. Export again."),
        ({"label_id": None}, " has label_id None; expected 0 to 0. Export again."),
        ({"bbox": [1, 2]}, " has coordinates [1, 2]; expected 4 numbers or more. Export again."),
        (
            {"bbox": ["x", 2, 3, 4]},
            ": a coordinate is 'x'; expected a finite number. Correct the shape or export again.",
        ),
        (
            {"type": "mask"},
            ": a mask whose runs do not fill its size; expected height x width pixels. Draw it again or export again.",
        ),
    ],
)
def test_an_impossible_annotation_is_named(tmp_path, annotation, sentence):
    export = write(tmp_path, {"type": "bbox", "label_id": 0} | annotation)
    sentence = "default.json: item 'a', annotation 1" + sentence
    with pytest.raises(DatasetError, match=f"^{re.escape(sentence)}$"):
        datumaro.read(export)


def test_broken_json_is_named(tmp_path):
    annotation_exports.write_text(tmp_path / "annotations/default.json", "[1,")
    sentence = "default.json: Expecting value: line 1 column 4 (char 3); expected JSON. Export again."
    with pytest.raises(DatasetError, match=f"^{re.escape(sentence)}$"):
        datumaro.read(tmp_path)
