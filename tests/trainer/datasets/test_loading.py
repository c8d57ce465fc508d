import json
import re
import shutil
import zipfile

import numpy as np
import pytest
from PIL import Image
from support import annotation_exports

from preannotate.formats import FORMATS, read_export
from preannotate.formats.records import DatasetError
from trainer.datasets import load_dataset

A_BOXES = [[10, 20, 60, 70.5], [100, 0, 200, 50]]


def write_cvat(folder, shapes, *, name="a.jpg", size=(200, 100), declared=None, labels=("cat",)):
    """A one-image CVAT export with these shape elements."""
    annotation_exports.draw(folder / "images" / name, size)
    width, height = declared or size
    annotation_exports.write_text(
        folder / "annotations.xml",
        f"<annotations>{annotation_exports.cvat_meta(labels=labels, size=1)}"
        f'<image id="0" name="{name}" width="{width}" height="{height}">{shapes}</image></annotations>',
    )
    return folder


@pytest.mark.parametrize("name", FORMATS)
def test_the_same_scene_in_every_format_gives_equal_samples(tmp_path, name):
    expected = load_dataset(
        [annotation_exports.cvat_images(tmp_path / "reference")], tmp_path / "expected", negatives=True
    )
    dataset = load_dataset([annotation_exports.WRITERS[name](tmp_path / "export")], tmp_path / "store", negatives=True)

    assert dataset.health.load_report.exports[0].format == name
    assert dataset.labels == expected.labels == annotation_exports.LABELS
    by_name = {sample.name: sample for sample in dataset.samples}
    assert by_name == {sample.name: sample for sample in expected.samples}
    assert by_name["a.jpg"].boxes.tolist() == A_BOXES
    assert by_name["a.jpg"].class_ids.tolist() == [1, 0]
    assert by_name["sub/b & ü.png"].boxes.tolist() == [[8, 16, 40.5, 80]]
    assert by_name["sub/b & ü.png"].image_size == (80, 160)
    assert by_name["c.jpg"].boxes.shape == (0, 4)


@pytest.mark.parametrize("name", FORMATS)
def test_a_zip_of_the_folder_gives_the_samples_of_the_folder(tmp_path, name):
    folder = annotation_exports.WRITERS[name](tmp_path / "outer" / "export")
    archive = shutil.make_archive(str(tmp_path / "zipped"), "zip", folder.parent)

    from_zip = load_dataset([tmp_path / archive], tmp_path / "store1")
    from_folder = load_dataset([folder], tmp_path / "store2")

    assert from_zip.samples == from_folder.samples
    assert len(from_zip.samples) == 2
    assert not list((tmp_path / "store1").glob(".extract-*"))


def test_images_lie_in_the_store_under_their_content(tmp_path):
    dataset = load_dataset([annotation_exports.voc(tmp_path / "export")], tmp_path / "store")

    for sample in dataset.samples:
        assert sample.image.parent == tmp_path / "store/images"
        assert sample.image.stem == sample.content
    shutil.rmtree(tmp_path / "export")
    assert all(sample.image.is_file() for sample in dataset.samples)


def test_frames_without_annotations_are_used_on_request_only(tmp_path):
    export = annotation_exports.coco(tmp_path / "export")

    without = load_dataset([export], tmp_path / "store1")
    with_negatives = load_dataset([export], tmp_path / "store2", negatives=True)

    assert [sample.name for sample in without.samples] == ["a.jpg", "sub/b & ü.png"]
    assert len(with_negatives.samples) == 3
    assert (without.health.load_report.unannotated, without.health.load_report.unannotated_used) == (1, 0)
    assert (with_negatives.health.load_report.unannotated_used, with_negatives.health.negatives) == (1, 1)


def test_automatic_shapes_stay_out_unless_asked_for(tmp_path):
    shapes = annotation_exports.cvat_box("cat", (1, 2, 30, 40)) + annotation_exports.cvat_box(
        "cat", (5, 5, 50, 50), 'source="auto"'
    )
    export = write_cvat(tmp_path / "export", shapes)

    without = load_dataset([export], tmp_path / "store1")
    taken = load_dataset([export], tmp_path / "store2", include_auto=True)

    assert without.samples[0].boxes.tolist() == [[1, 2, 30, 40]]
    assert without.samples[0].dropped == {"automatic": 1}
    assert without.samples[0].ignored.tolist() == [[5, 5, 50, 50]]
    assert taken.samples[0].ignored.tolist() == []
    assert without.health.load_report.partly_automatic == 1
    assert taken.samples[0].boxes.tolist() == [[1, 2, 30, 40], [5, 5, 50, 50]]


@pytest.mark.parametrize(
    "shape",
    [
        '<box label="cat" source="auto" xtl="1" ytl="1" xbr="9" ybr="9"/>',
        '<polyline label="cat" source="manual" points="1,1;5,5"/>',
        '<box label="cat" source="manual" xtl="300" ytl="1" xbr="310" ybr="9"/>',
    ],
)
def test_a_frame_whose_shapes_were_all_left_out_is_no_negative(tmp_path, shape):
    dataset = load_dataset([write_cvat(tmp_path / "export", shape)], tmp_path / "store", negatives=True)

    assert dataset.samples == ()
    assert dataset.health.load_report.unusable == 1


def test_a_frame_with_nothing_but_a_tag_is_a_negative(tmp_path):
    export = write_cvat(tmp_path / "export", '<tag label="empty" source="manual"/>')

    dataset = load_dataset([export], tmp_path / "store", negatives=True)

    assert len(dataset.samples) == 1
    assert dataset.health.load_report.dropped == {"tag": 1}


def test_boxes_are_clipped_and_what_is_left_of_less_than_a_pixel_is_dropped(tmp_path):
    shapes = "".join(
        annotation_exports.cvat_box("cat", box)
        for box in [(-5, -5, 20, 20), (190, 90, 300, 300), (199.5, 0, 250, 50), (40, 40, 40, 60), (210, 10, 250, 20)]
    )
    dataset = load_dataset([write_cvat(tmp_path / "export", shapes)], tmp_path / "store")

    assert dataset.samples[0].boxes.tolist() == [[0, 0, 20, 20], [190, 90, 200, 100]]
    assert dataset.samples[0].boxes.dtype == np.float32
    assert dataset.samples[0].dropped == {"smaller than one pixel": 2, "outside the image": 1}
    assert dataset.samples[0].ignored.tolist() == [[199, 0, 200, 50], [39.5, 40, 40.5, 60]]


def test_boxes_that_reach_out_of_their_images_are_counted(tmp_path):
    """Two of three are cut by more than a rounded number; three boxes are no reason for a warning."""
    boxes = [(100, 50, 230, 90), (150, 60, 202.5, 90), (180, 10, 201, 20)]
    shapes = [annotation_exports.cvat_box("cat", box) for box in boxes]
    many = load_dataset([write_cvat(tmp_path / "1", "".join(shapes * 3))], tmp_path / "store").health
    few = load_dataset([write_cvat(tmp_path / "2", "".join(shapes[:2]))], tmp_path / "store").health

    assert (many.load_report.cut, few.load_report.cut) == (6, 2)
    sentence = "6 boxes of 9 reached out of their image and were cut: perhaps corners stand where a size is expected"
    assert [warning for warning in many.warnings() if sentence in warning]
    assert not [warning for warning in few.warnings() if "reached out" in warning]


def test_swapped_corners_are_put_in_order(tmp_path):
    """The second is drawn from the lower left corner, the third from the lower right one."""
    boxes = [(1, 2, 30, 40), (10, 20, 60, 5), (90, 80, 70, 60)]
    shapes = "".join(annotation_exports.cvat_box("cat", box) for box in boxes)
    dataset = load_dataset([write_cvat(tmp_path / "export", shapes)], tmp_path / "store")

    assert dataset.samples[0].boxes.tolist() == [[1, 2, 30, 40], [10, 5, 60, 20], [70, 60, 90, 80]]
    assert dataset.health.load_report.reordered == 2
    assert "2 boxes were drawn from another corner: corners put in order." in dataset.health.warnings()


def test_places_of_shapes_that_cannot_be_used_are_ignored_and_others_are_not(tmp_path):
    """A polyline counts only if its label has boxes; points need an area; a label that is not wanted is background."""
    shapes = (
        annotation_exports.cvat_box("cat", (1, 2, 30, 40))
        + '<polygon label="cat" points="50,50;60,70"/><polyline label="cat" points="80,10;90,30;85,5"/>'
        + '<polyline label="lane" points="100,10;110,30"/><points label="cat" points="120,50"/>'
        + '<mask label="cat" rle="1" left="130" top="60" width="4" height="5"/>'
        + annotation_exports.cvat_box("dog", (150, 10, 160, 20))
    )
    export = write_cvat(tmp_path / "export", shapes, labels=("cat", "dog", "lane"))
    sample = load_dataset([export], tmp_path / "store", labels=["cat"]).samples[0]

    assert sample.boxes.tolist() == [[1, 2, 30, 40]]
    assert sample.ignored.tolist() == [
        [50, 50, 60, 70],
        [80, 5, 90, 30],
        [130, 60, 134, 65],
    ]


def test_reasons_come_with_their_places(tmp_path):
    export = annotation_exports.yolo(tmp_path / "export")
    annotation_exports.write_text(export / "obj_train_data/a.txt", "0 0.5 0.5 0.5 0.5\n7 0.5 0.5 0.5 0.5\n")
    report = load_dataset([export], tmp_path / "store").health.load_report

    assert report.dropped == {"of a class that is not declared": 1}
    assert report.examples["of a class that is not declared"] == ["obj_train_data/a.txt: line 2"]


def test_labels_of_several_exports_are_matched_by_name(tmp_path):
    first = write_cvat(tmp_path / "1", annotation_exports.cvat_box("dog", (1, 1, 9, 9)), labels=("cat", "dog"))
    second = write_cvat(
        tmp_path / "2", annotation_exports.cvat_box("cat", (2, 2, 9, 9)), labels=("bird", "cat"), size=(50, 50)
    )

    dataset = load_dataset([first, second], tmp_path / "store")

    assert dataset.labels == ("cat", "dog")
    assert dataset.health.load_report.unused_labels == ["bird"]
    assert [sample.name for sample in dataset.samples] == ["a.jpg", "a.jpg"]
    assert [sample.class_ids.tolist() for sample in dataset.samples] == [[1], [0]]


def test_given_labels_fix_the_class_ids_and_leave_others_out(tmp_path):
    dataset = load_dataset([annotation_exports.voc(tmp_path / "export")], tmp_path / "store", labels=["bird", "cat"])

    assert dataset.labels == ("bird", "cat")
    assert dataset.samples[0].class_ids.tolist() == [1]
    assert dataset.health.load_report.dropped == {"of another label": 1}


def test_only_restricts_the_images_by_name_with_or_without_extension(tmp_path):
    export = annotation_exports.voc(tmp_path / "export")

    assert [s.name for s in load_dataset([export], tmp_path / "1", only=["a"]).samples] == ["a.jpg"]
    assert [s.name for s in load_dataset([export], tmp_path / "2", only=["b & ü.png"]).samples] == ["sub/b & ü.png"]
    sentence = "export: 1 names of no image, the first 'z'; expected names of images in the export such as 'a.jpg'."
    with pytest.raises(DatasetError, match=re.escape(sentence)):
        load_dataset([export], tmp_path / "3", only=["a", "z"])


def test_equal_names_in_two_subsets_are_told_apart(tmp_path):
    folder = tmp_path / "export"
    elements = ""
    for subset, size in (("train", (40, 30)), ("test", (30, 40))):
        annotation_exports.draw(folder / "images" / subset / "a.jpg", size)
        elements += (
            f'<image id="0" name="a.jpg" subset="{subset}" task_id="{size[0]}" '
            f'width="{size[0]}" height="{size[1]}">'
            f"{annotation_exports.cvat_box('cat', (1, 1, 9, 9))}</image>"
        )
    annotation_exports.write_text(
        folder / "annotations.xml", f"<annotations>{annotation_exports.cvat_meta()}{elements}</annotations>"
    )

    dataset = load_dataset([folder], tmp_path / "store")

    assert {s.name: s.image_size for s in dataset.samples} == {"train/a.jpg": (40, 30), "test/a.jpg": (30, 40)}


def test_frames_of_two_tasks_that_share_a_file_are_not_used(tmp_path):
    folder = tmp_path / "export"
    annotation_exports.draw(folder / "images/default/frame_000000.PNG", (40, 30))
    elements = "".join(
        f'<image id="0" name="frame_000000" subset="default" task_id="{task}" width="40" height="30">'
        f"{annotation_exports.cvat_box('cat', (1, 1, 9, 9))}</image>"
        for task in (1, 2)
    )
    annotation_exports.write_text(folder / "annotations.xml", f"<annotations>{elements}</annotations>")

    dataset = load_dataset([folder], tmp_path / "store")

    assert dataset.samples == ()
    assert dataset.health.load_report.problems == {
        "one file that several names or tasks mean: not used": ["default/frame_000000", "default/frame_000000"]
    }


def test_exif_rotation_gives_the_upright_size_and_turns_boxes_of_the_raw_frame(tmp_path):
    """Orientation 6 shows the raw (200, 100) as (100, 200): x' = 100 - y, y' = x."""
    export = write_cvat(tmp_path / "export", annotation_exports.cvat_box("cat", (10, 20, 60, 70)))
    path = export / "images/a.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.open(path).copy().save(path, exif=exif)
    raw = load_dataset([export], tmp_path / "store1")
    upright = load_dataset([write_again(export, (100, 200))], tmp_path / "store2")

    assert raw.samples[0].image_size == upright.samples[0].image_size == (100, 200)
    assert raw.samples[0].boxes.tolist() == [[30, 10, 80, 60]]
    assert raw.health.load_report.problems == {"declared size is that before EXIF rotation: boxes turned": ["a.jpg"]}
    assert upright.samples[0].boxes.tolist() == [[10, 20, 60, 70]]


def write_again(export, declared):
    path = export / "annotations.xml"
    text = path.read_text().replace('width="200" height="100"', f'width="{declared[0]}" height="{declared[1]}"')
    annotation_exports.write_text(path, text)
    return export


def test_boxes_of_a_resized_copy_are_scaled(tmp_path):
    shapes = annotation_exports.cvat_box("cat", (10, 20, 60, 70))
    dataset = load_dataset([write_cvat(tmp_path / "export", shapes, declared=(400, 200))], tmp_path / "store")

    assert dataset.samples[0].boxes.tolist() == [[5, 10, 30, 35]]
    assert dataset.health.load_report.problems == {"declared size is another scale: boxes scaled": ["a.jpg"]}


def test_an_image_of_another_shape_than_declared_is_not_used(tmp_path):
    shapes = annotation_exports.cvat_box("cat", (10, 20, 60, 70))
    dataset = load_dataset([write_cvat(tmp_path / "export", shapes, declared=(300, 200))], tmp_path / "store")

    assert dataset.samples == ()
    assert dataset.health.load_report.problems == {"declared size does not belong to the image: not used": ["a.jpg"]}


def test_missing_and_unreadable_images_are_counted_and_named(tmp_path):
    export = annotation_exports.coco(tmp_path / "export")
    whole = (export / "images/a.jpg").read_bytes()
    (export / "images/a.jpg").write_bytes(whole[: len(whole) // 2])
    (export / "images/sub/b & ü.png").unlink()

    dataset = load_dataset([export], tmp_path / "store")

    assert dataset.samples == ()
    assert dataset.health.load_report.problems == {"unreadable": ["a.jpg"], "missing": ["sub/b & ü.png"]}
    assert "image file is truncated" in dataset.health.load_report.unreadable["a.jpg"]


def test_a_repeated_image_with_the_same_boxes_is_left_out_and_with_others_kept(tmp_path):
    shapes = [annotation_exports.cvat_box("cat", box) for box in ((1, 1, 9, 9), (1, 1, 9, 9), (5, 5, 9, 9))]
    exports = [write_cvat(tmp_path / str(index), shape) for index, shape in enumerate(shapes)]

    dataset = load_dataset(exports, tmp_path / "store")

    assert [sample.boxes.tolist() for sample in dataset.samples] == [[[1, 1, 9, 9]], [[5, 5, 9, 9]]]
    assert [sample.ignored.tolist() for sample in dataset.samples] == [[[5, 5, 9, 9]], [[1, 1, 9, 9]]]
    assert dataset.health.load_report.duplicates == [["a.jpg", "a.jpg"]]
    assert dataset.health.load_report.conflicts == ["a.jpg"]
    assert len({sample.group for sample in dataset.samples}) == 1


def test_an_empty_copy_of_an_annotated_image_is_no_negative(tmp_path):
    exports = [
        write_cvat(tmp_path / "1", ""),
        write_cvat(tmp_path / "2", annotation_exports.cvat_box("cat", (1, 1, 9, 9))),
    ]

    dataset = load_dataset(exports, tmp_path / "store", negatives=True)

    assert [sample.boxes.tolist() for sample in dataset.samples] == [[[1, 1, 9, 9]]]
    assert dataset.health.load_report.unannotated_used == 0


def test_the_frames_of_a_video_are_one_group_whatever_the_archive_is_called(tmp_path):
    groups = set()
    for name in ("first", "second"):
        folder = tmp_path / name
        elements = ""
        for index in range(3):
            annotation_exports.draw(folder / f"images/frame_{index:06d}.PNG", (40 + index, 30))
            elements += (
                f'<image id="{index}" name="frame_{index:06d}" width="{40 + index}" height="30">'
                f"{annotation_exports.cvat_box('cat', (1, 1, 9, 9))}</image>"
            )
        meta = annotation_exports.cvat_meta("interpolation")
        annotation_exports.write_text(folder / "annotations.xml", f"<annotations>{meta}{elements}</annotations>")
        dataset = load_dataset([folder], tmp_path / f"store {name}")
        groups |= {sample.group for sample in dataset.samples}
        assert [sample.frame for sample in dataset.samples] == [0, 1, 2]
        assert dataset.samples[0].name == "frame_000000.PNG"

    assert len(groups) == 1


def test_a_zip_inside_which_names_lead_out_is_refused_and_leaves_nothing(tmp_path):
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as archive:
        archive.writestr("../../evil.txt", "x")

    with pytest.raises(DatasetError):
        load_dataset([tmp_path / "evil.zip"], tmp_path / "store")

    assert list((tmp_path / "store").iterdir()) == []


def test_a_name_that_leads_out_of_the_export_finds_no_image(tmp_path):
    annotation_exports.draw(tmp_path / "secret.jpg", (20, 20))
    export = annotation_exports.coco(tmp_path / "export")
    path = export / "annotations/instances_default.json"
    content = json.loads(path.read_text())
    content["images"][0]["file_name"] = "../../secret.jpg"
    annotation_exports.write_text(path, json.dumps(content))

    dataset = load_dataset([export], tmp_path / "store")

    assert dataset.health.load_report.problems == {"missing": ["../../secret.jpg"]}


def test_a_damaged_file_is_named_with_its_export(tmp_path):
    export = annotation_exports.coco(tmp_path / "second export")
    annotation_exports.write_text(export / "annotations/instances_default.json", "{")
    sentence = (
        "second export: instances_default.json: Expecting property name enclosed in double quotes: "
        "line 1 column 2 (char 1); expected JSON. Export again."
    )
    with pytest.raises(DatasetError, match=f"^{re.escape(sentence)}$"):
        load_dataset([annotation_exports.voc(tmp_path / "first"), export], tmp_path / "store")


def test_labels_without_a_box_are_left_out_and_class_ids_have_no_gaps(tmp_path):
    shapes = annotation_exports.cvat_box("dog", (1, 1, 9, 9)) + annotation_exports.cvat_box("fox", (2, 2, 9, 9))
    export = write_cvat(tmp_path / "export", shapes, labels=("ant", "bee", "cat", "dog", "eel", "elk", "emu", "fox"))

    dataset = load_dataset([export], tmp_path / "store")

    assert dataset.labels == ("dog", "fox")
    assert dataset.samples[0].class_ids.tolist() == [0, 1]
    line = "labels without a box, not learnt: 6 (ant, bee, cat, eel, elk and 1 more)"
    assert line in dataset.health.to_text().splitlines()


def test_boxes_that_are_parts_of_the_image_are_taken_as_such(tmp_path):
    """Numbers from 0 to 1 in a format of pixels: 0.05 x 200 = 10, 0.25 x 100 = 25, ...."""
    boxes = [(0.05, 0.25, 0.5, 0.75), (0.1, 0.1, 0.2, 0.9), (0, 0.5, 0.25, 1)]
    shapes = [f"<box label='cat' xtl='{a}' ytl='{b}' xbr='{c}' ybr='{d}'/>" for a, b, c, d in boxes]
    fractions = load_dataset([write_cvat(tmp_path / "1", "".join(shapes))], tmp_path / "store1")
    pixel = "<box label='cat' xtl='0' ytl='10' xbr='30' ybr='50'/>"
    mixed = load_dataset([write_cvat(tmp_path / "2", "".join(shapes) + pixel)], tmp_path / "store2")

    assert fractions.samples[0].boxes.round(4).tolist() == [[10, 25, 100, 75], [20, 10, 40, 90], [0, 50, 50, 100]]
    assert fractions.health.load_report.notes == [
        "1: the boxes are numbers from 0 to 1 where pixels are expected: taken as parts of the image."
    ]
    assert mixed.samples[0].boxes.tolist() == [[0, 10, 30, 50]]
    assert mixed.health.load_report.dropped == {"smaller than one pixel": 3}


def test_a_million_entries_are_counted_and_a_few_places_kept(tmp_path):
    export = annotation_exports.coco(tmp_path / "export")
    path = export / "annotations/instances_default.json"
    content = json.loads(path.read_text())
    content["annotations"] += [0] * 1000 + [{"image_id": 99}] * 3
    annotation_exports.write_text(path, json.dumps(content))
    report = load_dataset([export], tmp_path / "store").health.load_report

    assert len(read_export(export, export).export.left_out) == 104
    assert report.dropped == {"entry that is not understood": 1000, "of an image that is not listed": 3}


def test_clicks_in_the_corner_are_no_parts_of_the_image(tmp_path):
    shapes = "<box label='cat' xtl='0' ytl='0' xbr='1' ybr='0.5'/>" * 4
    report = load_dataset([write_cvat(tmp_path / "export", shapes)], tmp_path / "store").health.load_report

    assert report.dropped == {"smaller than one pixel": 4}
