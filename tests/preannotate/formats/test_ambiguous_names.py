"""A name that contradicts a file's folder, and names that mean one file, in every format."""

import json

import pytest
from support import annotation_exports
from support.annotation_exports import write_text

from preannotate.formats import read_export
from preannotate.formats.file_tree import FileTree
from preannotate.formats.images import OTHER_FOLDER, SEVERAL_FILES
from preannotate.formats.shared_files import CONTRADICTORY, SHARED_FILE

BOX = {"cam1": (1, 2, 11, 12), "cam2": (20, 3, 30, 13)}


def yolo_line(folder):
    x1, y1, x2, y2 = BOX[folder]
    return f"0 {(x1 + x2) / 80} {(y1 + y2) / 40} {(x2 - x1) / 40} {(y2 - y1) / 20}\n"


def coco(folder, names):
    images = [{"id": i, "file_name": f"{name}/000.jpg", "width": 40, "height": 20} for i, name in enumerate(names)]
    annotations = []
    for i, name in enumerate(names):
        x1, y1, x2, y2 = BOX[name]
        annotations.append({"id": i, "image_id": i, "category_id": 1, "bbox": [x1, y1, x2 - x1, y2 - y1]})
    content = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "bolt"}]}
    write_text(folder / "annotations/instances_default.json", json.dumps(content))


def cvat_images(folder, names):
    elements = "".join(
        f'<image id="{i}" name="{name}/000.jpg" width="40" height="20">'
        f"{annotation_exports.cvat_box('bolt', BOX[name])}</image>"
        for i, name in enumerate(names)
    )
    write_text(folder / "annotations.xml", f"<annotations><meta></meta>{elements}</annotations>")


def datumaro(folder, names):
    items = []
    for name in names:
        x1, y1, x2, y2 = BOX[name]
        annotation = {"id": 0, "type": "bbox", "label_id": 0, "bbox": [x1, y1, x2 - x1, y2 - y1]}
        items.append({"id": f"{name}/000", "annotations": [annotation], "image": {"path": f"{name}/000.jpg"}})
    content = {"categories": {"label": {"labels": [{"name": "bolt"}]}}, "items": items}
    write_text(folder / "annotations/default.json", json.dumps(content))


def voc(folder, names):
    for name in names:
        corners = "".join(
            f"<{tag}>{value}</{tag}>" for tag, value in zip(("xmin", "ymin", "xmax", "ymax"), BOX[name], strict=True)
        )
        write_text(
            folder / f"Annotations/{name}/000.xml",
            f"<annotation><filename>{name}/000.jpg</filename><object><name>bolt</name><bndbox>{corners}</bndbox></object>"
            "</annotation>",
        )


def yolo(folder, names):
    write_text(folder / "obj.names", "bolt\n")
    for name in names:
        write_text(folder / f"labels/{name}/000.txt", yolo_line(name))


def ultralytics(folder, names):
    write_text(folder / "data.yaml", "names: [bolt]\n")
    for name in names:
        write_text(folder / f"labels/{name}/000.txt", yolo_line(name))


def labelme(folder, names):
    for name in names:
        x1, y1, x2, y2 = BOX[name]
        shape = {"label": "bolt", "points": [[x1, y1], [x2, y2]], "shape_type": "rectangle"}
        content = {"shapes": [shape], "imagePath": f"../../images/{name}/000.jpg", "imageData": None}
        write_text(folder / f"json/{name}/000.json", json.dumps(content))


WRITERS = [coco, cvat_images, datumaro, voc, yolo, ultralytics, labelme]


def outcome(folder):
    """Folder of each annotated frame's image, or its problem, and its boxes in pixels."""
    export = read_export(folder, FileTree(folder)).export
    found = []
    for frame in export.frames:
        width, height = (40, 20) if frame.relative else (1, 1)
        for shape in frame.shapes:
            box = tuple(round(v * s) for v, s in zip(shape.box, (width, height) * 2, strict=True))
            image = frame.image and frame.image.relative_to(folder / "images").as_posix()
            found.append((box, image or frame.problem or "missing"))
    return sorted(found)


@pytest.mark.parametrize("write", WRITERS, ids=lambda write: write.__name__)
def test_equal_names_in_two_folders_are_two_images(tmp_path, write):
    for name in BOX:
        annotation_exports.draw(tmp_path / f"images/{name}/000.jpg", (40, 20))
    write(tmp_path, list(BOX))

    assert outcome(tmp_path) == [(BOX["cam1"], "cam1/000.jpg"), (BOX["cam2"], "cam2/000.jpg")]


@pytest.mark.parametrize("write", WRITERS, ids=lambda write: write.__name__)
def test_two_folders_unpacked_into_one_are_not_used(tmp_path, write):
    annotation_exports.draw(tmp_path / "images/000.jpg", (40, 20))
    write(tmp_path, list(BOX))

    assert outcome(tmp_path) == [(BOX["cam1"], SHARED_FILE), (BOX["cam2"], SHARED_FILE)]


@pytest.mark.parametrize("write", WRITERS, ids=lambda write: write.__name__)
def test_one_folder_unpacked_without_its_name_is_used(tmp_path, write):
    annotation_exports.draw(tmp_path / "images/000.jpg", (40, 20))
    write(tmp_path, ["cam1"])

    assert outcome(tmp_path) == [(BOX["cam1"], "000.jpg")]


@pytest.mark.parametrize("write", WRITERS, ids=lambda write: write.__name__)
def test_a_file_in_another_folder_is_never_meant(tmp_path, write):
    annotation_exports.draw(tmp_path / "images/cam2/000.jpg", (40, 20))
    annotation_exports.draw(tmp_path / "images/cam2/001.jpg", (40, 20))
    write(tmp_path, ["cam1"])

    assert outcome(tmp_path) == [(BOX["cam1"], OTHER_FOLDER)]


@pytest.mark.parametrize("write", WRITERS, ids=lambda write: write.__name__)
def test_a_name_that_fits_two_files_finds_none(tmp_path, write):
    for name in ("x/cam1", "y/cam1"):
        annotation_exports.draw(tmp_path / f"images/{name}/000.jpg", (40, 20))
    write(tmp_path, ["cam1"])

    assert outcome(tmp_path) == [(BOX["cam1"], SEVERAL_FILES)]


def read_names(tmp_path, names, *images):
    """Frame names and what they mean, of a COCO file with these names and one box each."""
    for image in images:
        annotation_exports.draw(tmp_path / "images" / image, (40, 20))
    entries = [{"id": i, "file_name": name, "width": 40, "height": 20} for i, name in enumerate(names)]
    boxes = [{"id": i, "image_id": i, "category_id": 1, "bbox": [i, 0, 5, 5]} for i in range(len(names))]
    content = {"images": entries, "annotations": boxes, "categories": [{"id": 1, "name": "bolt"}]}
    write_text(tmp_path / "instances.json", json.dumps(content))
    frames = read_export(tmp_path, FileTree(tmp_path)).export.frames
    return {frame.name: frame.image.name if frame.image else frame.problem for frame in frames}


@pytest.mark.parametrize(
    ("names", "images", "meant"),
    [
        (["000.jpg"], ["sub/000.jpg"], {"000.jpg": "000.jpg"}),
        (["000.jpg", "cam1/000.jpg"], ["000.jpg"], {"000.jpg": SHARED_FILE, "cam1/000.jpg": SHARED_FILE}),
        (["000.jpg", "cam1/000.jpg"], ["cam1/000.jpg"], {"000.jpg": SHARED_FILE, "cam1/000.jpg": "000.jpg"}),
        (["A.jpg", "a.jpg"], ["a.jpg"], {"A.jpg": SHARED_FILE, "a.jpg": SHARED_FILE}),
        (["a.jpg", "a.png"], ["a.jpg"], {"a.jpg": "a.jpg", "a.png": SHARED_FILE}),
        (["a b.jpg", "a%20b.jpg"], ["a b.jpg"], {"a b.jpg": "a b.jpg", "a%20b.jpg": SHARED_FILE}),
        (["a b.jpg", "a%20b.jpg"], ["a b.jpg", "a%20b.jpg"], {"a b.jpg": "a b.jpg", "a%20b.jpg": "a%20b.jpg"}),
        (["a%20b.jpg"], ["a%20b.jpg", "a b.jpg"], {"a%20b.jpg": "a%20b.jpg"}),
        (["a%2520b.jpg"], ["a%20b.jpg", "x.jpg"], {"a%20b.jpg": "a%20b.jpg"}),
        (["u.jpg?w=1", "u.jpg?w=2"], ["u.jpg"], {"u.jpg?w=1": SHARED_FILE, "u.jpg?w=2": SHARED_FILE}),
        (["https://x.example/c/u.jpg?t=1#2"], ["u.jpg"], {"c/u.jpg": "u.jpg"}),
        (["/data/local-files/?d=c%2Fu.jpg"], ["c/u.jpg"], {"c/u.jpg": "u.jpg"}),
        (["./u.jpg"], ["u.jpg"], {"./u.jpg": "u.jpg"}),
        ([r"C:\my files\c\u.jpg"], ["u.jpg"], {"C:/my files/c/u.jpg": "u.jpg"}),
    ],
)  # fmt: skip
def test_names_of_urls_spellings_and_short_paths(tmp_path, names, images, meant):
    assert read_names(tmp_path, names, *images) == meant


HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(50)
AVIF = b"\0\0\0\x1cftypmif1\0\0\0\0avifmif1miaf" + bytes(50)


@pytest.mark.parametrize(
    ("file", "content", "kind"),
    [
        ("a.HEIC", HEIC, "HEIC"),
        ("a.jpg", HEIC, "HEIC"),
        ("a", HEIC, "HEIC"),
        ("a.nef", b"MM\0*" + bytes(50), "camera raw"),
        ("a.cr3", b"\0\0\0\x18ftypcrx \0\0\0\0" + bytes(50), "camera raw"),
        ("a.psd", b"8BPS" + bytes(50), "Photoshop"),
        ("a.svg", b"<?xml version='1.0'?><svg/>", "SVG"),
        ("a.pdf", b"%PDF-1.7", "PDF"),
        ("a.jxl", b"\xff\x0a" + bytes(50), "JPEG XL"),
        ("a.dcm", bytes(128) + b"DICM", "DICOM"),
        ("a.mp4", b"\0\0\0\x18ftypmp42" + bytes(50), "video"),
        ("a.jpg", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "Git LFS pointer"),
        ("a.jpg", b"<!DOCTYPE html><html>Log in</html>", "web page"),
    ],
)
def test_an_image_that_is_there_and_not_read_is_named(tmp_path, file, content, kind):
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / file).write_bytes(content)

    (problem,) = read_names(tmp_path, ["a.jpg"]).values()
    assert problem.startswith(f"{kind}, which is not read: ")


@pytest.mark.parametrize("content", [b"\x89PNG\r\n\x1a\n", b"RIFF\0\0\0\0WEBPVP8 ", AVIF, b"BM\0", b"P5\n1 1\n255\n\0"])
def test_images_are_known_by_their_content_without_an_extension(tmp_path, content):
    (tmp_path / "images").mkdir()
    (tmp_path / "images/a").write_bytes(content)

    assert read_names(tmp_path, ["a"]) == {"a": "a"}


def test_a_file_of_that_name_that_is_no_image_is_said(tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "images/a").write_bytes(b"hello")

    assert read_names(tmp_path, ["a"]) == {"a": "there, but no image by its content"}


@pytest.mark.parametrize("folder", ["train", "val"])
def test_an_image_of_another_split_is_not_meant(tmp_path, folder):
    annotation_exports.draw(tmp_path / f"images/{folder}/0.jpg", (40, 20))
    images = [{"id": 1, "file_name": "0.jpg", "width": 40, "height": 20}]
    content = {"images": images, "annotations": [], "categories": [{"id": 1, "name": "bolt"}]}
    write_text(tmp_path / "annotations/instances_val2017.json", json.dumps(content))
    (frame,) = read_export(tmp_path, FileTree(tmp_path)).export.frames

    assert (frame.image is not None) == (folder == "val")


def test_an_image_that_one_split_lacks_is_not_taken_from_the_other(tmp_path):
    for split, names in (("train", ["0.jpg", "1.jpg"]), ("val", ["0.jpg", "1.jpg"])):
        images = [{"id": i, "file_name": name, "width": 40, "height": 20} for i, name in enumerate(names)]
        content = {"images": images, "annotations": [], "categories": [{"id": 1, "name": "bolt"}]}
        write_text(tmp_path / split / "annotations.json", json.dumps(content))
        annotation_exports.draw(tmp_path / split / "images/0.jpg", (40, 20))
    annotation_exports.draw(tmp_path / "val/images/1.jpg", (40, 20))
    frames = read_export(tmp_path, FileTree(tmp_path)).export.frames

    assert [(frame.subset, frame.name, frame.image is not None) for frame in frames] == [
        ("train", "0.jpg", True),
        ("train", "1.jpg", False),
        ("val", "0.jpg", True),
        ("val", "1.jpg", True),
    ]


@pytest.mark.parametrize(
    ("place", "is_used"), [("Train/", True), ("", True), ("Validation/", False), ("Other/", False)]
)
def test_an_image_of_another_subset_of_cvat_is_not_meant(tmp_path, place, is_used):
    annotation_exports.draw(tmp_path / f"images/{place}0.jpg", (40, 20))
    annotation_exports.draw(tmp_path / "images/Another/1.jpg", (40, 20))
    element = '<image id="0" name="0.jpg" subset="Train" width="40" height="20"></image>'
    write_text(tmp_path / "annotations.xml", f"<annotations><meta></meta>{element}</annotations>")
    (frame,) = read_export(tmp_path, FileTree(tmp_path)).export.frames

    assert (frame.image is not None) == is_used


def test_a_missing_image_may_lie_in_an_archive_that_cannot_be_opened(tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "images/rest.7z").write_bytes(b"7z\xbc\xaf\x27\x1c")

    assert read_names(tmp_path, ["a.jpg", "b.jpg"], "b.jpg") == {
        "a.jpg": "perhaps in images/rest.7z, which cannot be opened: unpack it",
        "b.jpg": "b.jpg",
    }


def write_coco(path, boxes):
    """One image; boxes are (label, x)."""
    categories = [{"id": index, "name": label} for index, label in enumerate(["bolt", "gear"])]
    annotations = [
        {"id": index, "image_id": 1, "category_id": ["bolt", "gear"].index(label), "bbox": [x, 0, 5, 5]}
        for index, (label, x) in enumerate(boxes)
    ]
    images = [{"id": 1, "file_name": "a.jpg", "width": 40, "height": 20}]
    write_text(path, json.dumps({"images": images, "annotations": annotations, "categories": categories}))


@pytest.mark.parametrize(
    ("first", "second", "read"),
    [
        ([("bolt", 1)], [("bolt", 1)], [["bolt"], ["bolt"]]),  # repeated: left out later, by its content
        ([("bolt", 1)], [("gear", 9)], [["bolt", "gear"]]),  # a file for each class
        ([("bolt", 1)], [("bolt", 2)], CONTRADICTORY),
        ([("bolt", 1), ("gear", 9)], [("bolt", 1)], CONTRADICTORY),  # an older copy
        ([("bolt", 1)], [], [["bolt"]]),  # listed there, and not annotated
    ],
)
def test_two_files_about_one_image_are_put_together_or_not_used(tmp_path, first, second, read):
    annotation_exports.draw(tmp_path / "images/a.jpg", (40, 20))
    write_coco(tmp_path / "annotations/1.json", first)
    write_coco(tmp_path / "annotations/2.json", second)
    frames = read_export(tmp_path, FileTree(tmp_path)).export.frames

    if read == CONTRADICTORY:
        assert {(frame.image, frame.problem) for frame in frames} == {(None, CONTRADICTORY)}
    else:
        assert [[shape.label for shape in frame.shapes] for frame in frames] == read


def test_images_of_two_subsets_of_cvat_that_were_unpacked_into_one_folder_are_not_used(tmp_path):
    """One has no boxes, but the file may be that one."""
    annotation_exports.draw(tmp_path / "images/0.jpg", (40, 20))
    box = annotation_exports.cvat_box("bolt", (1, 2, 11, 12))
    elements = "".join(
        f'<image id="0" name="0.jpg" subset="{subset}" width="40" height="20">{content}</image>'
        for subset, content in (("Train", box), ("Validation", ""))
    )
    write_text(tmp_path / "annotations.xml", f"<annotations><meta></meta>{elements}</annotations>")
    frames = read_export(tmp_path, FileTree(tmp_path)).export.frames

    assert [(frame.image, frame.problem) for frame in frames] == [(None, CONTRADICTORY)] * 2


def test_two_texts_of_one_image_are_not_one(tmp_path):
    annotation_exports.draw(tmp_path / "images/a.jpg", (40, 20))
    write_text(tmp_path / "classes.txt", "bolt\n")
    for name, line in (("a.txt", "0 0.5 0.5 0.1 0.1"), ("a.jpg.txt", "0 0.2 0.2 0.1 0.1")):
        write_text(tmp_path / "labels" / name, line)
    frames = read_export(tmp_path, FileTree(tmp_path)).export.frames

    assert len(frames) == 2
    assert any(frame.problem for frame in frames)


def test_two_different_xml_files_of_one_image_are_not_used(tmp_path):
    annotation_exports.draw(tmp_path / "images/a.jpg", (40, 20))
    box = "<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>{}</xmax><ymax>9</ymax></bndbox>"
    for folder, right in (("Annotations", 9), ("labels", 20)):
        objects = f"<object><name>bolt</name>{box.format(right)}</object>"
        write_text(tmp_path / folder / "a.xml", f"<annotation><filename>a.jpg</filename>{objects}</annotation>")
    frames = read_export(tmp_path, FileTree(tmp_path)).export.frames

    assert [(frame.image, frame.problem) for frame in frames] == [(None, CONTRADICTORY)] * 2
