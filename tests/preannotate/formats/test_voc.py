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


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            annotation(OBJECT.format("wide", "")),
            "a.xml: object 1: a corner of <bndbox> is 'wide'; expected a finite number. "
            "Correct the shape or export again.",
        ),
        (
            annotation(OBJECT.format(9, ""), "<object><name>cat</name></object>"),
            "a.xml: object 2: a corner of <bndbox> is None; expected a finite number. "
            "Correct the shape or export again.",
        ),
        (
            annotation("<object/>"),
            "a.xml: object 1 has no <name>; expected a label. Correct the object or export again.",
        ),
        ("<annotation><object>", "a.xml: no element found: line 1, column 20; expected XML. Export again."),
        ("", "a.xml: no element found: line 1, column 0; expected XML. Export again."),
        (
            '<!DOCTYPE x [<!ENTITY e "boom">]><annotation>&e;</annotation>',
            "a.xml: EntitiesForbidden(name='e', system_id=None, public_id=None); expected XML. Export again.",
        ),
    ],
)
def test_an_impossible_file_is_named(tmp_path, text, sentence):
    annotation_exports.write_text(tmp_path / "Annotations/a.xml", text)
    assert voc.recognise(tmp_path)
    with pytest.raises(DatasetError, match=f"^{re.escape(sentence)}$"):
        voc.read(tmp_path)


def test_a_stray_xml_file_is_named(tmp_path):
    annotation_exports.write_text(tmp_path / "Annotations/a.xml", annotation())
    annotation_exports.write_text(tmp_path / "Annotations/b.xml", "<project/>")
    sentence = "b.xml: the root is <project>; expected <annotation>. Remove the file or export again."
    with pytest.raises(DatasetError, match=f"^{re.escape(sentence)}$"):
        voc.read(tmp_path)
