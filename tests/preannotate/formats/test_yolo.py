import re

import pytest
from support import annotation_exports

from preannotate.formats import ultralytics, yolo
from preannotate.formats.records import DatasetError


def test_images_that_no_list_names_are_found(tmp_path):
    annotation_exports.yolo(tmp_path)
    (tmp_path / "train.txt").unlink()

    assert {frame.name: len(frame.shapes) for frame in yolo.read(tmp_path).frames} == {
        "a.jpg": 2,
        "c.jpg": 0,
        "sub/b & ü.png": 1,
    }


def test_a_list_that_leads_out_of_the_export_finds_nothing(tmp_path):
    annotation_exports.yolo(tmp_path / "export")
    annotation_exports.draw(tmp_path / "secret.jpg", (20, 20))
    annotation_exports.write_text(tmp_path / "secret.txt", "0 0.5 0.5 0.5 0.5")
    annotation_exports.write_text(tmp_path / "export/train.txt", "../secret.jpg\n")
    frame = yolo.read(tmp_path / "export").frames[0]

    assert (frame.name, frame.image, frame.shapes) == ("../secret.jpg", None, ())


def test_a_listed_image_that_is_missing_keeps_its_boxes(tmp_path):
    annotation_exports.yolo(tmp_path)
    (tmp_path / "obj_train_data/a.jpg").unlink()
    frame = next(frame for frame in yolo.read(tmp_path).frames if frame.name == "a.jpg")

    assert (frame.image, len(frame.shapes)) == (None, 2)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("2 0.5 0.5 0.1 0.1", "class 2; expected 0 to 1. Export again."),
        ("0.5 0.5 0.5 0.1 0.1", "class 0.5; expected 0 to 1. Export again."),
        ("cat 0.5 0.5 0.1 0.1", "class is 'cat'; expected a finite number. Correct the shape or export again."),
        ("0 0.5 0.5 x 0.1", "a coordinate is 'x'; expected a finite number. Correct the shape or export again."),
        (
            "0 0.5 0.5",
            "2 numbers after the class; expected cx cy w h or the points of a polygon. Export again.",
        ),
    ],
)
def test_an_impossible_line_is_named(tmp_path, line, sentence):
    annotation_exports.yolo(tmp_path)
    annotation_exports.write_text(tmp_path / "obj_train_data/a.txt", f"\n{line}\n")
    sentence = f"obj_train_data/a.txt: line 2: {sentence}"
    with pytest.raises(DatasetError, match=f"^{re.escape(sentence)}$"):
        yolo.read(tmp_path)


@pytest.mark.parametrize(
    ("line", "kind", "box"),
    [
        ("0 0.5 0.5 0.5 0.25", "box", (0.25, 0.375, 0.75, 0.625)),
        ("0 0.5 0.5 0.5 0.25 17", "box", (0.25, 0.375, 0.75, 0.625)),
        ("0 0.1 0.2 0.3 0.2 0.2 0.5", "polygon", (0.1, 0.2, 0.3, 0.5)),
        ("0 0.1 0.2 0.3 0.1 0.4 0.5 0.2 0.6", "rotated box", (0.1, 0.1, 0.4, 0.6)),
    ],
)
def test_lines_of_the_other_ultralytics_tasks_become_boxes(tmp_path, line, kind, box):
    annotation_exports.ultralytics(tmp_path)
    annotation_exports.write_text(tmp_path / "labels/train/a.txt", line)
    frame = next(frame for frame in ultralytics.read(tmp_path).frames if frame.name == "a.jpg")

    assert [(shape.kind, shape.box) for shape in frame.shapes] == [(kind, pytest.approx(box))]


def test_poses_are_skeletons(tmp_path):
    annotation_exports.ultralytics(tmp_path)
    path = tmp_path / "data.yaml"
    annotation_exports.write_text(path, path.read_text() + "kpt_shape: [2, 3]\n")

    assert {shape.kind for frame in ultralytics.read(tmp_path).frames for shape in frame.shapes} == {"skeleton"}


def test_the_layout_with_folders_of_subsets_first_is_read(tmp_path):
    for part in ("train", "valid"):
        annotation_exports.draw(tmp_path / part / "images/a.jpg", (40, 30))
        annotation_exports.write_text(tmp_path / part / "labels/a.txt", "0 0.5 0.5 0.5 0.5")
    annotation_exports.write_text(tmp_path / "data.yaml", "names: [cat]\ntrain: ../train/images\n")

    assert ultralytics.recognise(tmp_path)
    assert [(f.name, f.subset, len(f.shapes)) for f in ultralytics.read(tmp_path).frames] == [
        ("a.jpg", "train", 1),
        ("a.jpg", "valid", 1),
    ]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("train: x", "data.yaml: names is None; expected the names of the classes. Export again."),
        ("names: {0: cat, 2: dog}", "data.yaml: names has the keys [0, 2]; expected 0, 1, …. Export again."),
        ("names: !!python/object:os.system {}", "could not determine a constructor for the tag"),
        ("names: [cat", "data.yaml: while parsing a flow sequence"),
    ],
)
def test_an_impossible_data_file_is_named(tmp_path, text, sentence):
    annotation_exports.ultralytics(tmp_path)
    annotation_exports.write_text(tmp_path / "data.yaml", text)
    with pytest.raises(DatasetError, match=re.escape(sentence)):
        ultralytics.read(tmp_path)
