import json
import shutil
import struct

import pytest
from support.annotation_exports import write_text

from preannotate.formats import FORMATS, read_export
from preannotate.formats.file_tree import FileTree
from preannotate.formats.records import DatasetError

TITLES = ", ".join(known.title for known in FORMATS.values())
VIA = {"a.jpg123": {"filename": "a.jpg", "size": 123, "regions": [], "file_attributes": {}}}
KITTI = "Car 0.00 0 -1.58 587.01 173.33 614.12 200.12 1.65 1.67 3.64 -0.65 1.71 46.70 -1.59\n"
DOTA = "imagesource:GoogleEarth\ngsd:0.1\n2753 2408 2861 2385 2888 2468 2805 2502 plane 0\n"
LABELBOX = {"data_row": {"id": "x", "external_id": "a.jpg"}, "projects": {}}
SAGEMAKER = {"source-ref": "s3://bucket/a.jpg", "boxes": {"annotations": []}}
SUPERVISELY = {"description": "", "tags": [], "size": {"height": 2, "width": 2}, "objects": []}


@pytest.mark.parametrize(
    ("path", "content", "title"),
    [
        ("vott-json-export/x-export.json", {"name": "x", "assets": {}, "tags": [], "visitedAssets": []}, "VoTT"),
        ("x-asset.json", {"asset": {"name": "a.jpg"}, "regions": [], "version": "2.1.0"}, "VoTT"),
        ("x.vott", {"name": "x", "sourceConnection": {}}, "VoTT"),
        ("_annotations.createml.json", [{"image": "a.jpg", "annotations": []}], "CreateML"),
        ("via_region_data.json", VIA, "VGG Image Annotator JSON"),
        ("via_project.json", {"_via_settings": {}, "_via_img_metadata": VIA}, "VGG Image Annotator JSON"),
        ("labelbox.json", [LABELBOX], "Labelbox"),
        ("labelbox.ndjson", json.dumps(LABELBOX) + "\n", "Labelbox"),
        ("output.manifest", json.dumps(SAGEMAKER) + "\n", "a SageMaker manifest"),
        ("project-1.json", [{"id": 1, "annotations": [], "data": {"image": "/a.jpg"}}], "Label Studio JSON"),
        ("ds/ann/a.jpg.json", SUPERVISELY, "Supervisely"),
        ("gtFine/a.json", {"imgHeight": 2, "imgWidth": 2, "objects": []}, "Cityscapes"),
        ("bdd.json", [{"name": "a.jpg", "attributes": {}, "labels": []}], "BDD100K"),
        ("v7.json", {"version": "2.0", "item": {"name": "a.jpg"}, "annotations": []}, "V7 Darwin"),
        ("hasty.json", {"project_name": "x", "images": [], "label_classes": []}, "Hasty"),
        ("wider_face_train_bbx_gt.txt", "0/a.jpg\n1\n1 2 3 4 0 0 0 0 0 0\n", "WIDER FACE"),
        ("results.json", [{"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 0.5}], "a list of COCO"),
        ("instances.json", {"images": [], "annotations": []}, "COCO without categories"),
        ("label_2/000000.txt", KITTI, "KITTI"),
        ("labelTxt/P0001.txt", DOTA, "DOTA"),
        ("gt/gt.txt", "1,1,10,10,20,20,1,1,1\n", "MOT"),
        ("_annotations.txt", "a.jpg 1,2,3,4,0 5,6,7,8,1\n", "YOLO v3 Keras"),
        ("train-annotations-bbox.csv", "ImageID,Source,LabelName,Confidence,XMin\nx,y,z,1,0\n", "OpenImages CSV"),
        (
            "_annotations.csv",
            "filename,width,height,class,xmin,ymin,xmax,ymax\na.jpg,1,1,b,0,0,1,1\n",
            "TensorFlow CSV",
        ),
        ("annotations.csv", "a.jpg,1,2,3,4,bolt\n", "CSV of boxes"),
        ("train.tfrecord-00000-of-00001", struct.pack("<Q", 3), "TFRecord"),
        ("data/train.parquet", b"PAR1", "a Hugging Face dataset"),
        ("SegmentationObject/a.png", b"", "pictures of masks"),
        ("labels/a.txt", "0 0.5 0.5 0.1 0.1\n", "YOLO texts without the names of their classes"),
    ],
)
def test_a_format_that_is_known_and_not_read_is_named(tmp_path, path, content, title):
    (tmp_path / "export" / path).parent.mkdir(parents=True)
    text = content if isinstance(content, str | bytes) else json.dumps(content)
    (tmp_path / "export" / path).write_bytes(text if isinstance(text, bytes) else text.encode())
    write_text(tmp_path / "export/README.txt", "An export.\n")

    with pytest.raises(DatasetError) as error:
        read_export(tmp_path / "export", FileTree(tmp_path / "export"))
    assert str(error.value).startswith(f"export: {title}")
    assert f", which is not read; expected one of: {TITLES}. " in str(error.value)


def test_the_whole_sentence_says_what_to_do(tmp_path):
    write_text(tmp_path / "export/x.vott", "{}")
    with pytest.raises(DatasetError) as error:
        read_export(tmp_path / "export", FileTree(tmp_path / "export"))

    assert str(error.value) == (
        f"export: VoTT, which is not read; expected one of: {TITLES}. "
        "Convert it to COCO, for example with Datumaro or FiftyOne."
    )


def test_an_archive_that_cannot_be_opened_is_named_where_nothing_else_is(tmp_path):
    write_text(tmp_path / "export/set.rar", "Rar!\x1a\x07")
    write_text(tmp_path / "export/readme.md", "x")
    with pytest.raises(DatasetError, match=r"^export: archives that could not be opened \(set.rar\)"):
        read_export(tmp_path / "export", FileTree(tmp_path / "export"))


def test_other_annotations_in_the_same_folder_are_said(tmp_path):
    from support import annotation_exports

    annotation_exports.coco(tmp_path / "export")
    annotation_exports.cvat_images(tmp_path / "other")
    shutil.copy(tmp_path / "other/annotations.xml", tmp_path / "export")
    recognised = read_export(tmp_path / "export", FileTree(tmp_path / "export"))

    assert recognised.format == "cvat-images"
    assert recognised.export.notes == (
        "also has annotations in the format COCO 1.0, not read: give their files on their own.",
    )


def test_json_that_is_cut_off_is_named_where_nothing_else_is(tmp_path):
    write_text(tmp_path / "export/_annotations.coco.json", '{"images": [{"id": 1,')
    with pytest.raises(DatasetError, match=r"^export: _annotations\.coco\.json: .*; expected JSON\. Export again\.$"):
        read_export(tmp_path / "export", FileTree(tmp_path / "export"))


@pytest.mark.parametrize(
    "stale", ['{"images": [{"id": 1, "file_name": "gone.jpg"}], "annotations": [], "categories": []}', "{"]
)
def test_a_stale_file_of_another_format_stops_nothing(tmp_path, stale):
    from support import annotation_exports

    annotation_exports.yolo(tmp_path / "export")
    write_text(tmp_path / "export/annotations/instances_old.json", stale)
    recognised = read_export(tmp_path / "export", FileTree(tmp_path / "export"))

    assert recognised.format == "yolo"
    assert recognised.export.notes == (
        "also has annotations in the format COCO 1.0, not read: give their files on their own.",
    )
