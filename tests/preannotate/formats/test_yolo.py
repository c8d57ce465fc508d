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
    ("line", "label", "problem", "box"),
    [
        ("2 0.5 0.5 0.5 0.25", "", "of a class that is not declared", (0.25, 0.375, 0.75, 0.625)),
        ("-1 0.5 0.5 0.5 0.25", "", "of a class that is not declared", (0.25, 0.375, 0.75, 0.625)),
        ("0.5 0.5 0.5 0.5 0.25", "", "of a class that is not declared", (0.25, 0.375, 0.75, 0.625)),
        ("0 0.5 0.5 x 0.1", "", "with coordinates that are no numbers", None),
        ("0 0.5 0.5 nan 0.1", "", "with coordinates that are no numbers", None),
        ("0 0.5 0.5 1e999 0.1", "", "with coordinates that are no numbers", None),
        ("0 0.5 0.5", "", "without a box", None),
        ("0", "", "without a box", None),
        ("0 0.1 0.2 x 0.2 0.4 0.5 0.2 0.6", "", "with coordinates that are no numbers", (0.1, 0.2, 0.4, 0.6)),
        ("0 85 31 30 35", "", "in pixels, where numbers from 0 to 1 are expected", None),
    ],
)
def test_an_odd_line_is_left_out_with_its_place(tmp_path, line, label, problem, box):
    annotation_exports.yolo(tmp_path)
    annotation_exports.write_text(tmp_path / "obj_train_data/a.txt", f"\n{line}\n0 0.5 0.5 0.5 0.25\n")
    odd, good = next(frame.shapes for frame in yolo.read(tmp_path).frames if frame.name == "a.jpg")

    assert (odd.label, odd.problem, odd.box) == (label, problem, box)
    assert odd.where == "obj_train_data/a.txt: line 2"
    assert (good.label, good.problem, good.where) == ("cat", "", "obj_train_data/a.txt: line 3")


@pytest.mark.parametrize(
    "line",
    [
        "0,0.5,0.5,0.5,0.25",
        "0, 0.5, 0.5, 0.5, 0.25",
        "0;0.5;0.5;0.5;0.25",
        "0 0,5 0,5 0,5 0,25",
        "0;0,5;0,5;0,5;0,25",
        "0\t0.5\t0.5\t0.5\t0.25",
        "0.0 0.5 0.5 0.5 0.25",
        "cat 0.5 0.5 0.5 0.25",
        "0 0.5 0.5 0.5 0.25 0.99 17",
        "0 0.5 0.5 0.5 0.25 0.99 1",
        "0 0.5 0.5 0.5 0.25 0.99 2",
        "0 0.5 0.5 0.5 0.25 bolt",
        '"0" "0.5" "0.5" "0.5" "0.25"',
        "0 0.5 0.5 0.5 0.25 # the left one",
        "0 0.5 0.5 0.5 0.25 0.5 0.4 2 0.4 0.4 2",
        "0 0.5 0.5 0.5 0.25 0.5 0.4 2 0 0 0 0.3 0.3 1",
    ],
)
def test_other_spellings_of_a_box_are_read(tmp_path, line):
    annotation_exports.yolo(tmp_path)
    annotation_exports.write_text(tmp_path / "obj_train_data/a.txt", line)
    (shape,) = next(frame.shapes for frame in yolo.read(tmp_path).frames if frame.name == "a.jpg")

    assert (shape.label, shape.kind, shape.box, shape.problem) == ("cat", "box", (0.25, 0.375, 0.75, 0.625), "")


def test_a_number_is_a_class_number_even_where_labels_are_numbers(tmp_path):
    annotation_exports.yolo(tmp_path)
    annotation_exports.write_text(tmp_path / "obj.names", "1\n0\nnan\n")
    lines = "".join(f"{word} 0.5 0.5 0.5 0.{n}\n" for n, word in enumerate(("0", "1", "2", "nan", "3"), 1))
    annotation_exports.write_text(tmp_path / "obj_train_data/a.txt", lines)
    shapes = next(frame.shapes for frame in yolo.read(tmp_path).frames if frame.name == "a.jpg")

    assert [shape.label for shape in shapes] == ["1", "0", "nan", "nan", ""]


def test_classes_that_may_be_counted_from_one_are_pointed_at(tmp_path):
    annotation_exports.yolo(tmp_path)
    for name, line in (("a", "1 0.5 0.5 0.5 0.25"), ("c", "2 0.5 0.5 0.5 0.25"), ("sub/b & ü", "")):
        annotation_exports.write_text(tmp_path / f"obj_train_data/{name}.txt", line)

    assert yolo.read(tmp_path).notes == (
        "no line has class 0, 'cat', and some have a number beyond the last class: perhaps they are counted from 1, "
        "and every label is wrong.",
    )
    annotation_exports.write_text(tmp_path / "obj_train_data/a.txt", "0 0.5 0.5 0.5 0.25")
    assert yolo.read(tmp_path).notes == ()


def test_a_line_that_is_there_twice_counts_once(tmp_path):
    annotation_exports.yolo(tmp_path)
    annotation_exports.write_text(tmp_path / "obj_train_data/a.txt", "0 0.5 0.5 0.5 0.25\n\n0  0.5 0.5 0.5 0.25\n")
    shapes = next(frame.shapes for frame in yolo.read(tmp_path).frames if frame.name == "a.jpg")

    assert [(shape.problem, shape.where) for shape in shapes] == [
        ("", "obj_train_data/a.txt: line 1"),
        ("entry that is there twice", "obj_train_data/a.txt: line 3"),
    ]


@pytest.mark.parametrize("reader", [yolo, ultralytics])
def test_a_whole_set_in_pixels_is_refused_with_the_reason(tmp_path, reader):
    name = "yolo" if reader is yolo else "ultralytics"
    annotation_exports.WRITERS[name](tmp_path)
    for path in tmp_path.rglob("*.txt"):
        if path.parent != tmp_path:
            path.write_text("0 85.5 31 30 35.25\n1 12 40 20 20\n")
    with pytest.raises(DatasetError, match=r"a.txt: line 1: numbers from 0 to 1 expected; these look like pixels\. "):
        reader.read(tmp_path)


def test_a_class_without_a_name_keeps_its_number(tmp_path):
    annotation_exports.yolo(tmp_path)
    annotation_exports.write_text(tmp_path / "obj.names", "\ncat\n\n")
    annotation_exports.write_text(tmp_path / "obj_train_data/a.txt", "1 0.5 0.5 0.5 0.25\n0 0.5 0.5 0.5 0.25")
    export = yolo.read(tmp_path)
    named, unnamed = next(frame.shapes for frame in export.frames if frame.name == "a.jpg")

    assert export.labels == ("cat",)
    assert (named.label, named.problem) == ("cat", "")
    assert (unnamed.label, unnamed.problem) == ("", "without a label")


def test_a_text_file_that_cannot_be_read_leaves_out_its_image(tmp_path):
    annotation_exports.yolo(tmp_path)
    (tmp_path / "obj_train_data/a.txt").write_bytes(b"0 0.5\x00\x81\xff")
    frames = {frame.name: frame for frame in yolo.read(tmp_path).frames}

    assert [shape.problem for shape in frames["a.jpg"].shapes] == ["annotation file that cannot be read"]
    assert [shape.problem for shape in frames["sub/b & ü.png"].shapes] == [""]


@pytest.mark.parametrize(
    ("line", "kind", "box"),
    [
        ("0 0.5 0.5 0.5 0.25", "box", (0.25, 0.375, 0.75, 0.625)),
        ("0 0.5 0.5 0.5 0.25 17", "box", (0.25, 0.375, 0.75, 0.625)),
        ("0 0.1 0.2 0.3 0.2 0.2 0.5", "polygon", (0.1, 0.2, 0.3, 0.5)),
        ("0 0.2 0.9 0.8 0.9 0.5 1", "polygon", (0.2, 0.9, 0.8, 1)),
        ("0 0.5 0.5 0.5 0.25 0.3 1.000000", "polygon", (0.3, 0.25, 0.5, 1)),
        ("0 0.1 0.2 0.3 0.1 0.4 0.5 0.2 0.6", "rotated box", (0.1, 0.1, 0.4, 0.6)),
    ],
)
def test_lines_of_the_other_ultralytics_tasks_become_boxes(tmp_path, line, kind, box):
    annotation_exports.ultralytics(tmp_path)
    annotation_exports.write_text(tmp_path / "labels/train/a.txt", line)
    frame = next(frame for frame in ultralytics.read(tmp_path).frames if frame.name == "a.jpg")

    assert [(shape.kind, shape.box) for shape in frame.shapes] == [(kind, pytest.approx(box))]


def test_poses_have_their_boxes(tmp_path):
    annotation_exports.ultralytics(tmp_path)
    path = tmp_path / "data.yaml"
    annotation_exports.write_text(path, path.read_text() + "kpt_shape: [2, 2]\n")
    annotation_exports.write_text(tmp_path / "labels/train/a.txt", "0 0.5 0.5 0.5 0.25 0.1 0.1 nan nan")
    (shape,) = next(frame.shapes for frame in ultralytics.read(tmp_path).frames if frame.name == "a.jpg")

    assert (shape.kind, shape.box) == ("box", (0.25, 0.375, 0.75, 0.625))


@pytest.mark.parametrize("name", ["yes", "no", "on", "007", "1.0", "null", "2024-01-01", "1e3", "0x1F", "~", "1:30"])
def test_names_stay_what_was_written(tmp_path, name):
    annotation_exports.ultralytics(tmp_path)
    annotation_exports.write_text(tmp_path / "data.yaml", f"names: [{name}, 'two']")
    listed = ultralytics.read(tmp_path).labels
    annotation_exports.write_text(tmp_path / "data.yaml", f"names:\n  0: {name}\n  01: two\n")

    assert listed == ultralytics.read(tmp_path).labels == (name, "two")


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
        ("names: {a: cat, 2: dog}", "data.yaml: names has the keys ['a', '2']; expected 0, 1, …. Export again."),
        ("names: {-1: cat}", "data.yaml: names has the keys ['-1']; expected 0, 1, …. Export again."),
        ("names: {1000000000: cat}", "data.yaml: names has the keys ['1000000000']; expected 0, 1, …. Export again."),
        ("names: !!python/object:os.system {}", "data.yaml: names is {}; expected the names of the classes."),
        ("names: [cat", "data.yaml: while parsing a flow sequence"),
    ],
)
def test_an_impossible_data_file_is_named(tmp_path, text, sentence):
    annotation_exports.ultralytics(tmp_path)
    annotation_exports.write_text(tmp_path / "data.yaml", text)
    with pytest.raises(DatasetError, match=re.escape(sentence)):
        ultralytics.read(tmp_path)
