import json
import os
import re
import zipfile

import defusedxml.ElementTree
import numpy as np
import pytest
import yaml
from PIL import Image
from pycocotools.coco import COCO

from preannotate.annotation.annotate_images import annotate_images
from preannotate.cli.main import parser
from preannotate.core.errors import PreannotateError
from preannotate.formats.records import DatasetError

KITTEN = "Kätzchen & <co>"


def run(function, images, *, overlay=None, threshold=None, export=(), as_json=False, overwrite=False, workers=None):
    """Run the command and return its exit code; its errors are raised."""
    line = ["annotate", function, *images, *(["--json"] * as_json), *(["--overwrite"] * overwrite)]
    for flag, values in (("--overlay", [overlay]), ("--threshold", [threshold]), ("--workers", [workers])):
        line += [flag, *values] if values != [None] else []
    parsed = parser().parse_args([*map(str, [*line, *(["--export", *export] if export else [])])])
    return parsed.execute(parsed)


def test_images_of_a_folder_are_annotated_with_the_labels_of_function_yaml(function, photos, capsys):
    assert run(function, [photos], as_json=True) == 0

    printed = json.loads(capsys.readouterr().out)
    assert printed["labels"] == [KITTEN, "dog"]
    assert printed["images"] == [
        {"image": "a.png", "size": [128, 128], "detections": [found(20, 40, 60, 100)]},
        {"image": "b.png", "size": [128, 64], "detections": []},
        {"image": "sub/c.bmp", "size": [64, 64], "detections": [found(8, 16, 32, 64)]},
    ]
    assert not list(function.rglob("__pycache__"))  # the directory is left as it was


def test_a_threshold_counts_for_every_class(function, photos, capsys):
    assert run(function / "nuclio", [photos / "a.png"], threshold=0.3, as_json=True) == 0

    (image,) = json.loads(capsys.readouterr().out)["images"]
    assert [(found["label"], found["score"]) for found in image["detections"]] == [(KITTEN, 0.9), ("dog", 0.4)]


def test_pipes_devices_and_links_in_a_circle_are_named_and_not_waited_for(function, photos, capsys):
    os.mkfifo(photos / "pipe.jpg")
    (photos / "zero.png").symlink_to("/dev/zero")
    (photos / "circle.png").symlink_to("circle.png")
    (photos / "folder.jpg").mkdir()
    with (photos / "huge.jpg").open("wb") as file:
        file.truncate(10**11)

    assert run(function, [photos], as_json=True, overlay=photos.parent / "overlays") == 1

    images = {image["image"]: image for image in json.loads(capsys.readouterr().out)["images"]}
    assert "detections" in images["a.png"]
    assert {name: image["error"] for name, image in images.items() if "error" in image} == {
        "circle.png": "Too many levels of symbolic links.",
        "huge.jpg": "image: a file of 100000000000 bytes; expected at most 75000000. Send it smaller, or as JPEG.",
        "pipe.jpg": "image: a named pipe; expected a regular file. Remove it, or leave it out.",
        "zero.png": "image: a device; expected a regular file. Remove it, or leave it out.",
    }


def test_the_table_shows_what_was_found_and_a_broken_image_does_not_stop_the_others(function, photos, capsys):
    (photos / "a2.jpg").write_bytes(b"no image")

    assert run(function, [photos]) == 1

    assert capsys.readouterr().out.splitlines() == [
        "IMAGE      LABEL            SCORE  BOX (x1 y1 x2 y2)",
        "a.png      Kätzchen & <co>  0.90   20 40 60 100",
        "a2.jpg     -                -      not read: image: 8 bytes that no image decoder knows; expected a whole "
        "file in one of the formats JPEG, PNG, BMP, GIF, TIFF, WEBP, AVIF, JPEG2000, PPM.",
        "b.png      -                -      nothing found",
        "sub/c.bmp  Kätzchen & <co>  0.90   8 16 32 64",
        "",
        "3 images, 2 objects. 1 could not be read.",
    ]


def test_overlays_keep_the_folders_and_show_the_boxes(function, photos, tmp_path):
    overlays = tmp_path / "overlays"

    assert run(function, [photos], overlay=overlays) == 0

    files = sorted(path.relative_to(overlays).as_posix() for path in overlays.rglob("*.*"))
    assert files == ["a.png", "b.png", "sub/c.bmp.png"]
    pixels = np.asarray(Image.open(overlays / "a.png"))
    assert pixels.shape[0] > 4 * 128 and pixels.shape[1] == 4 * 128  # a small image is enlarged
    assert pixels[4 * 60, 4 * 20].tolist() == [230, 159, 0]  # the first colour of the palette


def test_overlays_inside_the_folder_are_not_annotated_the_next_time(function, photos, capsys):
    run(function, [photos], overlay=photos / "overlays")
    capsys.readouterr()

    run(function, [photos], overlay=photos / "overlays", overwrite=True, as_json=True)

    images = json.loads(capsys.readouterr().out)["images"]
    assert [image["image"] for image in images] == ["a.png", "b.png", "sub/c.bmp"]


def test_a_coco_export_is_read_by_pycocotools(function, photos, tmp_path):
    (photos / "broken.jpg").write_bytes(b"no image")
    out = tmp_path / "new" / "out.json"

    assert run(function, [photos], export=("coco", out)) == 1

    coco = COCO(out)
    assert [(category["id"], category["name"]) for category in coco.dataset["categories"]] == [
        (1, KITTEN),
        (2, "dog"),
    ]
    assert [(image["file_name"], image["width"], image["height"]) for image in coco.dataset["images"]] == [
        ("a.png", 128, 128),
        ("b.png", 128, 64),
        ("sub/c.bmp", 64, 64),
    ]
    assert coco.dataset["annotations"][1] == {
        "id": 2,
        "image_id": 3,
        "category_id": 1,
        "bbox": [8.0, 16.0, 24.0, 48.0],
        "area": 1152.0,
        "iscrowd": 0,
        "segmentation": [],
        "score": 0.9,
    }


def test_a_cvat_export_holds_automatic_rectangles(function, photos, tmp_path):
    out = tmp_path / "out.zip"

    assert run(function, [photos], export=("cvat-images", out)) == 0

    with zipfile.ZipFile(out) as archive:
        assert archive.namelist() == ["annotations.xml"]
        root = defusedxml.ElementTree.fromstring(archive.read("annotations.xml"))
    images = root.findall("image")
    assert [image.attrib for image in images] == [
        {"id": "0", "name": "a.png", "width": "128", "height": "128"},
        {"id": "1", "name": "b.png", "width": "128", "height": "64"},
        {"id": "2", "name": "sub/c.bmp", "width": "64", "height": "64"},
    ]
    corners = {"xtl": "8.00", "ytl": "16.00", "xbr": "32.00", "ybr": "64.00"}
    flags = {"label": KITTEN, "source": "auto", "occluded": "0", "z_order": "0"}
    assert [box.attrib for box in images[2]] == [flags | corners]
    assert [len(image) for image in images] == [1, 0, 1]


def test_a_cvat_export_is_plain_xml_if_the_name_says_so(function, photos, tmp_path):
    out = tmp_path / "out.xml"

    run(function, [photos], export=("cvat-images", out))

    assert len(defusedxml.ElementTree.parse(out).findall("image")) == 3


def test_an_existing_export_is_replaced_only_if_asked(function, photos, tmp_path):
    out = tmp_path / "out.json"
    out.write_text("mine")

    with refusal(f"{out}: exists; expected a new file. Pass --overwrite to replace it."):
        run(function, [photos], export=("coco", out))
    assert out.read_text() == "mine"

    run(function, [photos], export=("coco", out), overwrite=True)
    assert len(json.loads(out.read_text())["images"]) == 3


def test_an_unknown_export_format_is_refused(function, photos, tmp_path):
    with refusal("--export: unknown format 'yolo'; expected one of: cvat-images, coco."):
        run(function, [photos], export=("yolo", tmp_path / "out.zip"))


def test_an_export_with_a_misleading_suffix_is_refused(function, photos, tmp_path):
    out = tmp_path / "out.json"

    with refusal(f"{out}: suffix '.json'; expected .zip or .xml for the format cvat-images. Rename it."):
        run(function, [photos], export=("cvat-images", out))


def test_an_image_is_not_taken_for_the_export(function, photos):
    out = photos / "odd.json"
    out.write_bytes((photos / "a.png").read_bytes())

    with refusal(f"{out}: is one of the images; expected the name of another file for the export."):
        run(function, [out], export=("coco", out), overwrite=True)


def test_a_name_that_xml_cannot_hold_is_refused(function, photos, tmp_path):
    (photos / "a.png").rename(photos / "a\x01.png")

    with pytest.raises(DatasetError, match=r"^'a\\x01\.png': a name with characters that XML cannot hold"):
        run(function, [photos], export=("cvat-images", tmp_path / "out.xml"))


def test_overlays_never_replace_the_images(function, photos):
    with refusal(
        f"{photos / 'a.png'}: is one of the images; expected a folder without images for the overlays. "
        "Name another folder."
    ):
        run(function, [photos], overlay=photos, overwrite=True)


def test_a_file_is_no_place_for_overlays(function, photos):
    path = photos / "a.png"

    with refusal(f"{path}: is a file; expected a folder for the overlays. Name another one."):
        run(function, [photos], overlay=path)


def found(*box):
    return {"label": KITTEN, "score": 0.9, "box": list(box)}


def refusal(sentence):
    return pytest.raises(PreannotateError, match=f"^{re.escape(sentence)}$")


def test_the_number_of_processes_changes_nothing(function, photos, capsys):
    outputs = []
    for workers in (1, 3):
        assert run(function, [photos], as_json=True, workers=workers) == 0
        outputs.append(capsys.readouterr().out)
    assert outputs[0] == outputs[1]


def test_masks_and_polygons_are_exported_as_their_label_wants(mask_function, photos, tmp_path):
    for kind, format_name, file in (
        ("mask", "coco", "a.json"),
        ("mask", "cvat-images", "a.xml"),
        ("polygon", "coco", "b.json"),
        ("polygon", "cvat-images", "b.xml"),
    ):
        spec = json.dumps([{"id": 0, "name": "cat", "type": kind}, {"id": 1, "name": "dog", "type": kind}])
        content = yaml.safe_dump({"metadata": {"annotations": {"spec": spec}}})
        (mask_function / "nuclio" / "function.yaml").write_text(content)

        annotate_images(mask_function / "nuclio", [photos / "a.png"], export=(format_name, tmp_path / file))

        text = (tmp_path / file).read_text()
        (found,) = annotate_images(mask_function / "nuclio", [photos / "a.png"])[0]
        mask = found.detections[0].mask
        if format_name == "coco":
            (annotation,) = json.loads(text)["annotations"]
            segmentation = annotation["segmentation"]
            if kind == "mask":
                assert sum(segmentation["counts"]) == found.size[0] * found.size[1]
                assert sum(segmentation["counts"][1::2]) == annotation["area"] == mask.area
            else:
                (points,) = segmentation
                assert len(points) >= 6
        elif kind == "mask":
            assert f'rle="{", ".join(map(str, mask.runs.tolist()))}"' in text
        else:
            assert "<polygon" in text
