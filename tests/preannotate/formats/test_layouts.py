"""Layouts that tools write, or that people make of them: all hold the same two images with one box each."""

import json
import os
import shutil
import tarfile
import zipfile
from xml.sax.saxutils import escape

import pytest
from support import annotation_exports
from support.annotation_exports import write_text

from preannotate.formats import read_export
from preannotate.formats.archive import open_export

LABELS = ("bolt", "gear")
SIZE = (40, 20)
# Name of an image to class and box.
SCENE = {"a": (0, (4, 5, 20, 15)), "b": (1, (10, 2, 30, 18))}


def draw(folder, path):
    """The picture of `a` or `b`; each differs from the other."""
    return annotation_exports.draw(folder / path, SIZE, "navy" if "a" in path.rpartition("/")[2] else "green")


def yolo_line(name):
    class_id, (x1, y1, x2, y2) = SCENE[name]
    return f"{class_id} {(x1 + x2) / 80} {(y1 + y2) / 40} {(x2 - x1) / 40} {(y2 - y1) / 20}\n"


def voc(folder, path, name, filename=None):
    class_id, box = SCENE[name]
    corners = "".join(f"<{tag}>{v}</{tag}>" for tag, v in zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True))
    write_text(
        folder / path,
        f"<annotation><folder>x</folder><filename>{filename or name + '.jpg'}</filename><size><width>40</width>"
        f"<height>20</height></size><object><name>{LABELS[class_id]}</name><bndbox>{corners}</bndbox></object></annotation>",
    )


def coco(folder, path, names, **file_names):
    images, annotations = [], []
    for index, name in enumerate(names, 1):
        class_id, (x1, y1, x2, y2) = SCENE[name]
        images.append({"id": index, "file_name": file_names.get(name, f"{name}.jpg"), "width": 40, "height": 20})
        bbox = [x1, y1, x2 - x1, y2 - y1]
        annotations.append({"id": index, "image_id": index, "category_id": class_id + 1, "bbox": bbox})
    categories = [{"id": index, "name": label} for index, label in enumerate(LABELS, 1)]
    content = {"images": images, "annotations": annotations, "categories": categories}
    write_text(folder / path, json.dumps(content))


def cvat(folder, path, names, task_id="1"):
    images = ""
    for index, name in enumerate(names):
        class_id, box = SCENE[name]
        element = annotation_exports.cvat_box(LABELS[class_id], box)
        images += f'<image id="{index}" name="{escape(name)}.jpg" width="40" height="20">{element}</image>'
    listed = "".join(f"<label><name>{label}</name></label>" for label in LABELS)
    meta = f"<meta><task><id>{task_id}</id><size>{len(names)}</size><labels>{listed}</labels></task></meta>"
    write_text(folder / path, f"<annotations><version>1.1</version>{meta}{images}</annotations>")


def labelme(folder, path, name, **changes):
    class_id, (x1, y1, x2, y2) = SCENE[name]
    shape = {"label": LABELS[class_id], "points": [[x1, y1], [x2, y2]], "shape_type": "rectangle"}
    content = {"version": "5.0.1", "flags": {}, "shapes": [shape], "imagePath": f"{name}.jpg", "imageData": None}
    write_text(folder / path, json.dumps(content | changes))


def images(folder, place, suffix=".jpg"):
    for name in SCENE:
        draw(folder, f"{place}{name}{suffix}")


def texts(folder, place, suffix=".txt"):
    for name in SCENE:
        write_text(folder / f"{place}{name}{suffix}", yolo_line(name))


def classes(folder, path="classes.txt"):
    write_text(folder / path, "bolt\ngear\n")


def label_studio_yolo(folder):
    images(folder, "images/"), texts(folder, "labels/"), classes(folder)
    write_text(folder / "notes.json", json.dumps({"categories": [{"id": 0, "name": "bolt"}], "info": {}}))


def label_studio_hashes(folder):
    classes(folder)
    for index, name in enumerate(SCENE):
        draw(folder, f"images/5f2a000{index}-{name}.jpg")
        write_text(folder / f"labels/5f2a000{index}-{name}.txt", yolo_line(name))


def label_studio_coco(folder):
    draw(folder, "images/a.jpg"), draw(folder, "images/b.jpg")
    coco(folder, "result.json", "ab", a="images/a.jpg", b="../../label-studio/data/media/upload/3/b.jpg")


def label_studio_local_files(folder):
    draw(folder, "images/set/a.jpg"), draw(folder, "images/set/b.jpg")
    coco(folder, "result.json", "ab", a="/data/local-files/?d=set/a.jpg", b="/data/local-files/?d=set%2Fb.jpg")


def yaml_of_another_name(folder):
    images(folder, "images/"), texts(folder, "labels/")
    write_text(folder / "workshop.yaml", "path: ../x\ntrain: images\nval: images\nnames:\n  0: bolt\n  1: gear\n")


def yaml_beside_others(folder):
    images(folder, "images/train/"), texts(folder, "labels/train/")
    write_text(folder / "args.yaml", "model: yolov8n.pt\nepochs: 3\nnames: null\n")
    write_text(folder / "hyp.yaml", "lr0: 0.01\n")
    write_text(folder / "my set.yml", "names: ['bolt', 'gear']\nnc: 2\n")


def yaml_in_a_folder_of_settings(folder):
    images(folder, "images/"), texts(folder, "labels/")
    write_text(folder / "data/coco-parts.yaml", "names: [bolt, gear]\n")


def side_by_side(folder):
    images(folder, ""), texts(folder, ""), classes(folder)


def labelimg_with_classes_beside_texts(folder):
    images(folder, "photos/"), texts(folder, "yolo_txt/"), classes(folder, "yolo_txt/classes.txt")


def obj_names_with_folders(folder):
    images(folder, "images/"), texts(folder, "labels/"), classes(folder, "obj.names")


def darknet(folder):
    images(folder, "data/obj/"), texts(folder, "data/obj/"), classes(folder, "data/obj.names")
    write_text(folder / "data/train.txt", "data/obj/a.jpg\n/content/darknet/data/obj/b.jpg\n")
    write_text(folder / "data/obj.data", "classes = 2\ntrain = data/train.txt\nnames = data/obj.names\nbackup = b/\n")
    write_text(folder / "cfg/yolov4-obj.cfg", "[net]\nbatch=64\n")


def roboflow_darknet(folder):
    for place, name in (("train/", "a"), ("valid/", "b")):
        draw(folder, f"{place}{name}.jpg"), write_text(folder / f"{place}{name}.txt", yolo_line(name))
        classes(folder, f"{place}_darknet.labels")
    write_text(folder / "README.roboflow.txt", "parts - v1\n")


def roboflow_yolo(folder):
    for place, name in (("train", "a"), ("valid", "b")):
        draw(folder, f"{place}/images/{name}.jpg"), write_text(folder / f"{place}/labels/{name}.txt", yolo_line(name))
    write_text(folder / "data.yaml", "train: ../train/images\nval: ../valid/images\nnc: 2\nnames: ['bolt', 'gear']\n")
    write_text(folder / "README.dataset.txt", "# parts > v1\n")


def fiftyone_yolov5(folder):
    images(folder, "images/val/"), texts(folder, "labels/val/")
    write_text(folder / "dataset.yaml", "names:\n  0: bolt\n  1: gear\npath: /home/x\nval: ./images/val/\n")


def fiftyone_yolov4(folder):
    images(folder, "data/"), texts(folder, "data/"), classes(folder, "obj.names")
    write_text(folder / "images.txt", "data/a.jpg\ndata/b.jpg\n")


def fiftyone_coco(folder):
    images(folder, "data/"), coco(folder, "labels.json", "ab")


def fiftyone_voc(folder):
    images(folder, "data/"), [voc(folder, f"labels/{name}.xml", name) for name in SCENE]


def fiftyone_cvat(folder):
    images(folder, "data/"), cvat(folder, "labels.xml", "ab")


def texts_named_with_the_image(folder):
    images(folder, "images/"), texts(folder, "labels/", ".jpg.txt"), classes(folder)


def texts_in_capitals(folder):
    images(folder, "images/", ".JPG"), texts(folder, "labels/", ".TXT"), classes(folder)


def texts_with_a_mark(folder):
    images(folder, ""), classes(folder)
    for name in SCENE:
        (folder / f"{name}.txt").write_bytes(yolo_line(name).replace("\n", "\r\n").encode("utf-16"))


def two_sets_with_other_orders_of_names(folder):
    draw(folder, "one/a.jpg"), write_text(folder / "one/a.txt", yolo_line("a")), classes(folder, "one/classes.txt")
    draw(folder, "two/b.jpg"), write_text(folder / "two/b.txt", "0" + yolo_line("b")[1:])
    write_text(folder / "two/classes.txt", "gear\nbolt\n")


def roboflow_voc_train_only(folder):
    images(folder, "train/"), [voc(folder, f"train/{name}.xml", name) for name in SCENE]
    write_text(folder / "README.dataset.txt", "# parts\n"), write_text(folder / "README.roboflow.txt", "parts\n")


def voc_devkit(folder):
    for year, name in (("VOC2007", "a"), ("VOC2012", "b")):
        draw(folder, f"VOCdevkit/{year}/JPEGImages/{name}.jpg")
        voc(folder, f"VOCdevkit/{year}/Annotations/{name}.xml", name)
        write_text(folder / f"VOCdevkit/{year}/ImageSets/Main/trainval.txt", f"{name}\n")
        draw(folder, f"VOCdevkit/{year}/SegmentationClass/{name}.png")


def voc_anywhere(folder):
    images(folder, "project/final/JPEGImages/")
    [voc(folder, f"project/final/Annotations/{name}.xml", name) for name in SCENE]
    write_text(folder / "notes/about.txt", "hello\n")


def voc_in_one_folder_of_any_name(folder):
    images(folder, "pictures/"), [voc(folder, f"boxes/{name}.xml", name) for name in SCENE]


def voc_with_windows_paths(folder):
    images(folder, "images/")
    [voc(folder, f"annotations/{index}.xml", name, rf"C:\Users\x\{name}.jpg") for index, name in enumerate(SCENE)]


def cvat_dump_of_another_name(folder):
    images(folder, "images/"), cvat(folder, "3_parts.xml", "ab")


def cvat_xml_beside_images(folder):
    images(folder, ""), cvat(folder, "annotations.xml", "ab")


def cvat_two_tasks_in_two_folders(folder):
    for task_id, name in ((1, "a"), (2, "b")):
        draw(folder, f"task_{task_id}/images/{name}.jpg")
        cvat(folder, f"task_{task_id}/annotations.xml", name, str(task_id))


def cvat_task_of_images_beside_one_of_a_video(folder):
    draw(folder, "one/images/a.jpg"), cvat(folder, "one/annotations.xml", "a")
    draw(folder, "two/images/b.jpg").rename(folder / "two/images/frame_000000.jpg")
    element = annotation_exports.cvat_box("gear", SCENE["b"][1], 'frame="0" keyframe="1" outside="0"')
    meta = annotation_exports.cvat_meta("interpolation", LABELS, 1)
    track = f'<track id="0" label="gear">{element}</track>'
    write_text(folder / "two/annotations.xml", f"<annotations>{meta}{track}</annotations>")


def cvat_zips_in_a_folder(folder):
    for task_id, name in ((1, "a"), (2, "b")):
        place = folder.parent / f"task_{task_id}"
        draw(place, f"images/{name}.jpg"), cvat(place, "annotations.xml", name, str(task_id))
        folder.mkdir(exist_ok=True)
        shutil.make_archive(str(folder / f"task_{task_id}"), "zip", place)
        shutil.rmtree(place)


def coco_splits_with_images(folder):
    for split, name in (("train", "a"), ("val", "b")):
        draw(folder, f"{split}/images/{name}.jpg"), coco(folder, f"{split}/annotations.json", name)


def coco_files_side_by_side(folder):
    images(folder, "images/")
    coco(folder, "annotations/instances_train.json", "a"), coco(folder, "annotations/val.json", "b")


def coco_2017(folder):
    for split, name in (("train2017", "a"), ("val2017", "b")):
        draw(folder, f"{split}/{name}.jpg"), coco(folder, f"annotations/instances_{split}.json", name)
    write_text(folder / "annotations/captions_val2017.json", json.dumps({"images": [], "annotations": []}))


def roboflow_coco(folder):
    for split, name in (("train", "a"), ("valid", "b")):
        draw(folder, f"{split}/{name}.jpg"), coco(folder, f"{split}/_annotations.coco.json", name)


def coco_keypoints_only(folder):
    images(folder, "images/default/"), coco(folder, "annotations/person_keypoints_default.json", "ab")


def coco_deep(folder):
    images(folder, "exports/2026/images/"), coco(folder, "exports/2026/result_coco.json", "ab")
    write_text(folder / "readme.md", "x")


def mmdetection(folder):
    draw(folder, "data/coco/train/a.jpg"), draw(folder, "data/coco/val/b.jpg")
    coco(folder, "data/coco/annotations/train.json", "a"), coco(folder, "data/coco/annotations/val.json", "b")


def labelme_beside_images(folder):
    images(folder, ""), [labelme(folder, f"{name}.json", name) for name in SCENE]


def labelme_in_folders(folder):
    images(folder, "imgs/")
    [labelme(folder, f"jsons/{name}.json", name, imagePath=rf"..\imgs\{name}.jpg") for name in SCENE]


def labelme_flags_and_points(folder):
    images(folder, "")
    labelme(folder, "a.json", "a", flags={"done": True})
    x1, y1, x2, y2 = SCENE["b"][1]
    polygon = {"label": "gear", "points": [[x1, y1], [x2, y1], [x2, y2], [x1, y2]]}
    point = {"label": "hole", "points": [[3, 3]], "shape_type": "point"}
    labelme(folder, "b.json", "b", shapes=[polygon, point])


def labels_flattened_and_images_in_splits(folder):
    draw(folder, "images/train/a.jpg"), draw(folder, "images/val/b.jpg"), texts(folder, "labels/"), classes(folder)


def label_studio_coco_with_project_number(folder):
    draw(folder, "images/a.jpg"), draw(folder, "images/b.jpg")
    coco(folder, "result.json", "ab", a=r"images\1/a.jpg", b=r"..\..\label-studio\media\upload\4\b.jpg")


def coco_per_class(folder):
    images(folder, "images/"), coco(folder, "bolts.json", "a"), coco(folder, "gears.json", "b")


def yolo_names_with_windows_ends_and_mark(folder):
    images(folder, "obj_train_data/"), texts(folder, "obj_train_data/")
    (folder / "obj.names").write_bytes("bolt\r\ngear\r\n\r\n".encode("utf-8-sig"))
    write_text(folder / "train.txt", "data/obj_train_data/a.jpg\r\ndata/obj_train_data/b.jpg\r\n")


def coco_in_utf16(folder):
    images(folder, "images/"), coco(folder, "c.json", "ab")
    (folder / "c.json").write_bytes((folder / "c.json").read_text().encode("utf-16"))


def voc_in_utf16(folder):
    images(folder, "images/")
    for name in SCENE:
        voc(folder, f"annotations/{name}.xml", name)
        path = folder / f"annotations/{name}.xml"
        path.write_bytes(path.read_text().encode("utf-16"))


def voc_in_gb2312(folder):
    images(folder, "images/")
    for name in SCENE:
        voc(folder, f"annotations/{name}.xml", name)
        path = folder / f"annotations/{name}.xml"
        text = path.read_text().replace("<folder>x</folder>", "<folder>图片</folder>")
        path.write_bytes(('<?xml version="1.0" encoding="gb2312"?>' + text).encode("gb2312"))


def voc_in_an_undeclared_code_page(folder):
    images(folder, "images/")
    for name in SCENE:
        voc(folder, f"annotations/{name}.xml", name)
        path = folder / f"annotations/{name}.xml"
        path.write_bytes(path.read_text().replace("<folder>x</folder>", "<folder>Größe</folder>").encode("cp1252"))


def voc_in_utf32(folder):
    images(folder, "images/")
    for name in SCENE:
        voc(folder, f"annotations/{name}.xml", name)
        path = folder / f"annotations/{name}.xml"
        path.write_bytes(path.read_text().encode("utf-32"))


def names_with_case_and_accents(folder):
    draw(folder, "Bilder/Größe A.JPG"), draw(folder, "Bilder/b.jpg")
    coco(folder, "annotations/instances_default.json", "ab", a="größe a.jpg")


def zip_name_in_a_dos_code_page(folder):
    draw(folder, "images/" + "Größe a".encode("cp850").decode("cp437") + ".jpg"), draw(folder, "images/b.jpg")
    coco(folder, "annotations/instances_default.json", "ab", a="Größe a.jpg")


def zip_name_in_russian(folder):
    draw(folder, "images/" + "деталь a".encode("cp866").decode("cp437") + ".jpg"), draw(folder, "images/b.jpg")
    coco(folder, "annotations/instances_default.json", "ab", a="деталь a.jpg")


def urls(folder):
    draw(folder, "images/a.jpg"), draw(folder, "images/b.jpg")
    coco(folder, "c.json", "ab", a="https://s3.example/bucket/a.jpg?X-Amz-Expires=900", b="s3://bucket/sets/b.jpg")


def no_extensions(folder):
    for name in SCENE:
        draw(folder, f"images/{name}.jpg").rename(folder / "images" / name)
        voc(folder, f"annotations/{name}.xml", name, name)


def converted_to_another_extension(folder):
    images(folder, "images/", ".png"), coco(folder, "annotations/instances_default.json", "ab", a="a.HEIC")


def junk_around(folder):
    coco_files_side_by_side(folder)
    write_text(folder / "__MACOSX/annotations/._val.json", "\0\5")
    write_text(folder / ".ipynb_checkpoints/val-checkpoint.json", "{}")
    write_text(folder / "annotations/.DS_Store", "x"), write_text(folder / "images/Thumbs.db", "x")


def yaml_above_the_set(folder):
    images(folder, "datasets/coco8/images/train/"), texts(folder, "datasets/coco8/labels/train/")
    write_text(folder / "coco8.yaml", "path: coco8\nnames: {0: bolt, 1: gear}\n")


def lists_with_windows_paths(folder):
    images(folder, "data/"), texts(folder, "data/"), classes(folder, "data/obj.names")
    write_text(folder / "data/train.txt", "C:\\data\\a.jpg\nD:\\x\\y\\b.jpg\n")


def folders_in_capitals(folder):
    images(folder, "Images/"), texts(folder, "Labels/"), classes(folder, "Classes.txt")


def coco_files_beside_split_folders(folder):
    for split, name in (("train", "a"), ("valid", "b")):
        draw(folder, f"{split}/{name}.jpg"), coco(folder, f"{split}.json", name)


def names_with_a_backslash_on_the_disk(folder):
    draw(folder, "images/x.jpg").rename(folder / "images\\sub\\a.jpg")
    draw(folder, "images/b.jpg"), coco(folder, "c.json", "ab", a="sub/a.jpg")


def names_with_blanks_around(folder):
    draw(folder, "images/ a.jpg"), draw(folder, "images/b.jpg"), coco(folder, "c.json", "ab", a=" a.jpg", b=" b.jpg ")


def names_of_bytes_that_are_no_text(folder):
    path = os.fsencode(draw(folder, "images/a.jpg").parent) + "/Größe a.jpg".encode("latin-1")
    os.rename(folder / "images/a.jpg", path)  # noqa: PTH104
    draw(folder, "images/b.jpg"), coco(folder, "c.json", "ab", a="Größe a.jpg")


def downloads_of_coco(folder):
    folder.mkdir(), coco(folder.parent / "1", "annotations/instances_train2017.json", "a")
    coco(folder.parent / "1", "annotations/instances_val2017.json", "b")
    draw(folder.parent / "2", "train2017/a.jpg"), draw(folder.parent / "3", "val2017/b.jpg")
    for place, name in (("1", "annotations_trainval2017"), ("2", "train2017"), ("3", "val2017")):
        shutil.make_archive(str(folder / name), "zip", folder.parent / place)


def roboflow_without_splits(folder):
    images(folder, "export/images/"), texts(folder, "export/labels/")
    write_text(folder / "data.yaml", "names: [bolt, gear]\nnc: 2\n")


def classes_with_numbers(folder):
    images(folder, ""), texts(folder, ""), write_text(folder / "classes.txt", "0: bolt\n1: gear\n")


def json_in_capitals(folder):
    images(folder, "images/"), coco(folder, "C.JSON", "ab")


def voc_with_lists(folder):
    images(folder, "JPEGImages/"), [voc(folder, f"Annotations/{name}.xml", name) for name in SCENE]
    write_text(folder / "ImageSets/Main/train.txt", "a\n"), write_text(folder / "labels.txt", "bolt\ngear\n")


def thumbnails(folder):
    images(folder, "images/"), images(folder, "thumbnails/"), coco(folder, "c.json", "ab")


def detections_drawn_in(folder):
    images(folder, "images/"), images(folder, "runs/detect/predict/"), texts(folder, "labels/"), classes(folder)


WRITERS = [
    yaml_above_the_set,
    lists_with_windows_paths,
    folders_in_capitals,
    coco_files_beside_split_folders,
    names_with_a_backslash_on_the_disk,
    names_with_blanks_around,
    names_of_bytes_that_are_no_text,
    downloads_of_coco,
    roboflow_without_splits,
    classes_with_numbers,
    json_in_capitals,
    voc_with_lists,
    thumbnails,
    detections_drawn_in,
    label_studio_yolo,
    label_studio_hashes,
    label_studio_coco,
    label_studio_local_files,
    yaml_of_another_name,
    yaml_beside_others,
    yaml_in_a_folder_of_settings,
    side_by_side,
    labelimg_with_classes_beside_texts,
    obj_names_with_folders,
    darknet,
    roboflow_darknet,
    roboflow_yolo,
    fiftyone_yolov5,
    fiftyone_yolov4,
    fiftyone_coco,
    fiftyone_voc,
    fiftyone_cvat,
    texts_named_with_the_image,
    texts_in_capitals,
    texts_with_a_mark,
    two_sets_with_other_orders_of_names,
    roboflow_voc_train_only,
    voc_devkit,
    voc_anywhere,
    voc_in_one_folder_of_any_name,
    voc_with_windows_paths,
    cvat_dump_of_another_name,
    cvat_xml_beside_images,
    cvat_two_tasks_in_two_folders,
    cvat_zips_in_a_folder,
    cvat_task_of_images_beside_one_of_a_video,
    coco_splits_with_images,
    coco_files_side_by_side,
    coco_2017,
    roboflow_coco,
    coco_keypoints_only,
    coco_deep,
    mmdetection,
    labelme_beside_images,
    labelme_in_folders,
    labelme_flags_and_points,
    labels_flattened_and_images_in_splits,
    label_studio_coco_with_project_number,
    coco_per_class,
    yolo_names_with_windows_ends_and_mark,
    coco_in_utf16,
    voc_in_utf16,
    voc_in_gb2312,
    voc_in_an_undeclared_code_page,
    voc_in_utf32,
    names_with_case_and_accents,
    zip_name_in_a_dos_code_page,
    zip_name_in_russian,
    urls,
    no_extensions,
    converted_to_another_extension,
    junk_around,
]


def read(path, tmp_path):
    (tmp_path / "workspace").mkdir(exist_ok=True)
    with open_export(path, tmp_path / "workspace") as files:
        return read_export(path, files).export


def boxes(export):
    """Label and box in pixels of each frame with an image."""
    found = []
    for frame in export.frames:
        assert frame.image is not None, (frame.name, frame.problem)
        width, height = SIZE if frame.relative else (1, 1)
        found += [
            (shape.label, tuple(round(v * s, 3) for v, s in zip(shape.box, (width, height) * 2, strict=True)))
            for shape in frame.shapes
            if shape.boxed and not shape.problem
        ]
    return sorted(found)


EXPECTED = [(LABELS[class_id], box) for class_id, box in SCENE.values()]


@pytest.mark.parametrize("writer", WRITERS, ids=lambda writer: writer.__name__)
def test_the_layout_is_read(tmp_path, writer):
    writer(tmp_path / "export")
    export = read(tmp_path / "export", tmp_path)

    assert boxes(export) == EXPECTED
    assert len(export.frames) == 2
    assert export.left_out == ()


def pack_tar(folder, path, mode):
    with tarfile.open(path, mode) as archive:
        archive.add(folder, "set")
    return path


@pytest.mark.parametrize(
    ("suffix", "mode"), [(".tar", "w"), (".tar.gz", "w:gz"), (".tgz", "w:gz"), (".tar.bz2", "w:bz2")]
)
def test_a_tar_is_read(tmp_path, suffix, mode):
    coco_2017(tmp_path / "set")

    assert boxes(read(pack_tar(tmp_path / "set", tmp_path / f"set{suffix}", mode), tmp_path)) == EXPECTED


def test_images_in_a_zip_inside_a_zip_are_read(tmp_path):
    images(tmp_path / "set", ""), coco(tmp_path, "instances_default.json", "ab")
    inner = shutil.make_archive(str(tmp_path / "images"), "zip", tmp_path / "set")
    with zipfile.ZipFile(tmp_path / "outer.zip", "w") as outer:
        outer.write(inner, "images.zip"), outer.write(tmp_path / "instances_default.json", "instances_default.json")

    assert boxes(read(tmp_path / "outer.zip", tmp_path)) == EXPECTED


def test_an_archive_beside_what_it_holds_changes_nothing(tmp_path):
    coco_2017(tmp_path / "set")
    shutil.make_archive(str(tmp_path / "set"), "zip", tmp_path / "set")
    shutil.move(tmp_path / "set.zip", tmp_path / "set/set.zip")

    assert boxes(read(tmp_path / "set", tmp_path)) == EXPECTED


@pytest.mark.parametrize("place", ["", "annotations/"])
def test_a_lone_annotation_file_means_the_images_around_it(tmp_path, place):
    images(tmp_path, "images/"), coco(tmp_path, f"{place}instances_default.json", "ab")
    coco(tmp_path, f"{place}older.json", "ab", a="gone.jpg", b="gone too.jpg")

    assert boxes(read(tmp_path / f"{place}instances_default.json", tmp_path)) == EXPECTED


def test_the_data_file_of_ultralytics_means_its_folder(tmp_path):
    roboflow_yolo(tmp_path / "set")

    assert boxes(read(tmp_path / "set/data.yaml", tmp_path)) == EXPECTED


def test_names_of_classes_that_contradict_each_other_are_said(tmp_path):
    folder = tmp_path / "export"
    roboflow_yolo(folder), write_text(folder / "train/labels/classes.txt", "dog\nperson\n")
    export = read(folder, tmp_path)

    assert boxes(export) == EXPECTED
    assert export.notes == (
        "train/labels/classes.txt has other names of classes than the file whose names are used: correct or remove it.",
    )


def test_a_yaml_without_names_beside_a_file_of_names_is_said(tmp_path):
    folder = tmp_path / "export"
    roboflow_yolo(folder), write_text(folder / "classes.txt", "bolt\ngear\n")
    write_text(folder / "data.yaml", "train: images\n")
    export = read(folder, tmp_path)

    assert boxes(export) == EXPECTED
    assert export.notes == ("data.yaml: names is None; expected the names of the classes. Export again.",)


def test_an_archive_that_cannot_be_opened_beside_others_is_said(tmp_path):
    coco_2017(tmp_path / "set")
    (tmp_path / "tasks").mkdir()
    shutil.make_archive(str(tmp_path / "tasks/task_1"), "zip", tmp_path / "set")
    (tmp_path / "tasks/task_2.zip").write_bytes(b"PK\x03\x04 and no more")
    export = read(tmp_path / "tasks", tmp_path)

    assert boxes(export) == EXPECTED
    assert export.notes == ("archives that cannot be opened: task_2.zip. What is inside is missing here; unpack it.",)


def test_texts_in_a_zip_beside_the_images_are_read(tmp_path):
    roboflow_yolo(tmp_path / "set")
    for split in ("train", "valid"):
        shutil.make_archive(str(tmp_path / f"set/{split}/labels"), "zip", tmp_path / f"set/{split}/labels")
        shutil.rmtree(tmp_path / f"set/{split}/labels")

    assert boxes(read(tmp_path / "set", tmp_path)) == EXPECTED
