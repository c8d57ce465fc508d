import re

import pytest
from support import annotation_exports

from preannotate.formats import voc
from preannotate.formats.records import DatasetError
from trainer.datasets import load_dataset

OBJECT = "<object><name>cat</name><bndbox><xmin>1</xmin><ymin>2</ymin><xmax>{}</xmax><ymax>9</ymax></bndbox>{}</object>"


def annotation(*objects, filename="", size="<size><width>40</width><height>30</height></size>"):
    return f"<annotation><filename>{filename}</filename>{size}{''.join(objects)}</annotation>"


def test_xml_files_beside_images_in_several_folders_are_read(tmp_path):
    for part in ("train", "test"):
        annotation_exports.draw(tmp_path / part / f"{part}.jpg", (40, 30))
        annotation_exports.write_text(tmp_path / part / f"{part}.xml", annotation(OBJECT.format(9, "")))

    assert voc.recognise(tmp_path)
    assert [frame.image.name for frame in voc.read(tmp_path).frames] == ["test.jpg", "train.jpg"]


def test_an_image_is_found_in_any_case_of_its_extension_and_by_filename_at_last(tmp_path):
    annotation_exports.draw(tmp_path / "images/one.JPG", (40, 30))
    annotation_exports.draw(tmp_path / "images/other name.png", (40, 30))
    annotation_exports.write_text(tmp_path / "annotations/one.xml", annotation(filename="wrong.jpg"))
    annotation_exports.write_text(tmp_path / "annotations/two.xml", annotation(filename="other name.png"))
    annotation_exports.write_text(tmp_path / "annotations/three.xml", annotation(filename="nowhere.png"))

    frames = {frame.name: frame.image and frame.image.name for frame in voc.read(tmp_path).frames}
    assert frames == {"one.JPG": "one.JPG", "other name.png": "other name.png", "nowhere.png": None}


def test_an_unknown_size_is_no_size(tmp_path):
    annotation_exports.draw(tmp_path / "images/a.jpg", (40, 30))
    annotation_exports.write_text(
        tmp_path / "annotations/a.xml",
        annotation(OBJECT.format(9, ""), size="<size><width>0</width><height>0</height></size>"),
    )
    dataset = load_dataset([tmp_path], tmp_path / "store")

    assert dataset.samples[0].boxes.tolist() == [[1, 2, 9, 9]]
    assert dataset.health.load_report.problems == {}


def test_an_image_without_xml_is_a_frame_without_annotations(tmp_path):
    annotation_exports.voc(tmp_path)
    annotation_exports.draw(tmp_path / "JPEGImages/new.jpg", (40, 30))

    frames = {frame.name: len(frame.shapes) for frame in voc.read(tmp_path).frames}
    assert frames == {"a.jpg": 2, "sub/b & ü.png": 1, "c.jpg": 0, "new.jpg": 0}


def test_a_rotation_attribute_turns_the_box(tmp_path):
    turned = "<attributes><attribute><name>rotation</name><value>90.0</value></attribute></attributes>"
    annotation_exports.write_text(tmp_path / "Annotations/a.xml", annotation(OBJECT.format(21, turned)))
    (shape,) = voc.read(tmp_path).frames[0].shapes

    assert shape.kind == "rotated box"
    assert shape.box == pytest.approx((7.5, -4.5, 14.5, 15.5))  # centre (11, 5.5), sides 20 and 7


ROBNDBOX = "<robndbox><cx>11</cx><cy>5.5</cy><w>20</w><h>7</h><angle>1.5707963</angle></robndbox>"
POINTS = "<polygon><x1>5</x1><y1>6</y1><x2>30</x2><y2>8</y2><x3>25</x3><y3>29</y3></polygon>"
PAIRS = "<polygon><pt><x>5</x><y>6</y></pt><pt><x>30</x><y>8</y></pt><pt><x>25</x><y>29</y></pt></polygon>"


@pytest.mark.parametrize(
    ("content", "kind", "box"),
    [
        (POINTS, "polygon", (5, 6, 30, 29)),
        (PAIRS, "polygon", (5, 6, 30, 29)),
        (ROBNDBOX, "rotated box", (7.5, -4.5, 14.5, 15.5)),
    ],
)
def test_an_object_without_a_box_is_read_from_what_it_has(tmp_path, content, kind, box):
    text = annotation(f"<object><name>cat</name>{content}</object>")
    annotation_exports.write_text(tmp_path / "Annotations/a.xml", text)
    (shape,) = voc.read(tmp_path).frames[0].shapes

    assert (shape.label, shape.kind, shape.problem) == ("cat", kind, "")
    assert shape.box == pytest.approx(box)


@pytest.mark.parametrize(
    ("element", "label", "problem"),
    [
        (OBJECT.format("wide", ""), "cat", "with coordinates that are no numbers"),
        ("<object><name>cat</name></object>", "cat", "without a box"),
        ("<object><name>cat</name><polygon><x1>1</x1></polygon></object>", "cat", "without a box"),
        ("<object/>", "", "without a box"),
        (OBJECT.format(9, "").replace("cat", " "), "", "without a label"),
    ],
)
def test_an_odd_object_is_left_out_with_its_place(tmp_path, element, label, problem):
    annotation_exports.write_text(tmp_path / "Annotations/a.xml", annotation(OBJECT.format(9, ""), element))
    good, odd = voc.read(tmp_path).frames[0].shapes

    assert (good.problem, good.box) == ("", (1, 2, 9, 9))
    assert (odd.label, odd.problem, odd.where) == (label, problem, "a.xml: object 2")


def test_a_damaged_file_leaves_out_its_image_and_no_other(tmp_path):
    annotation_exports.draw(tmp_path / "JPEGImages/b.jpg", (40, 30))
    annotation_exports.write_text(tmp_path / "Annotations/a.xml", annotation(OBJECT.format(9, "")))
    annotation_exports.write_text(tmp_path / "Annotations/b.xml", "<annotation><object>")
    first, second = voc.read(tmp_path).frames

    assert [shape.problem for shape in first.shapes] == [""]
    assert second.image == tmp_path / "JPEGImages/b.jpg"
    assert [(shape.problem, shape.box, shape.where) for shape in second.shapes] == [
        ("annotation file that cannot be read", None, "b.xml: no element found: line 1, column 20")
    ]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("<annotation><object>", "a.xml: no element found: line 1, column 20; expected XML. Export again."),
        ("", "a.xml: no element found: line 1, column 0; expected XML. Export again."),
        (
            '<!DOCTYPE x [<!ENTITY e "boom">]><annotation>&e;</annotation>',
            "a.xml: a declaration of a document type, which is not read; expected XML. Export again.",
        ),
    ],
)
def test_nothing_but_damaged_files_is_named(tmp_path, text, sentence):
    annotation_exports.write_text(tmp_path / "Annotations/a.xml", text)
    assert voc.recognise(tmp_path)
    with pytest.raises(DatasetError, match=f"^{re.escape(sentence)}$"):
        voc.read(tmp_path)


def test_a_stray_xml_file_is_left_out(tmp_path):
    annotation_exports.write_text(tmp_path / "Annotations/a.xml", annotation())
    annotation_exports.write_text(tmp_path / "Annotations/b.xml", "<project/>")
    export = voc.read(tmp_path)

    assert [frame.name for frame in export.frames] == ["a"]
    assert [(entry.reason, entry.where) for entry in export.left_out] == [("entry that is not understood", "b.xml")]


def test_a_label_map_that_cannot_be_read_stops_nothing(tmp_path):
    annotation_exports.write_text(tmp_path / "Annotations/a.xml", annotation(OBJECT.format(9, "")))
    (tmp_path / "labelmap.txt").write_bytes(b"cat\xff\xfe\x81::\n")
    export = voc.read(tmp_path)

    assert [shape.problem for shape in export.frames[0].shapes] == [""]
    assert [(entry.reason, entry.where) for entry in export.left_out] == [
        ("annotation file that cannot be read", "labelmap.txt")
    ]
