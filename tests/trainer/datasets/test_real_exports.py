"""What a real CVAT 2.15 wrote; the numbers were read in the annotation files by hand."""

import os
from collections import Counter
from pathlib import Path, PurePosixPath

import pytest

from runtime.masks import intersection
from trainer.datasets import load_dataset, split_samples

SHARED = Path(os.environ.get("PREANNOTATE_SHARED", Path(__file__).parents[4] / "shared"))
EXPORTS = SHARED / "data/cvat-exports"
pytestmark = pytest.mark.skipif(not EXPORTS.is_dir(), reason="PREANNOTATE_SHARED has no data/cvat-exports")

# (task, format, images used, frames, boxes of each label, converted, dropped)
SYNTH = {"red_square": 18, "blue_circle": 9}
MIXED = {"car": 5, 'Person, "quoted" <x>': 3, "ünï label": 1, "only_box": 1}
VIDEO = {"red_square": 24, "blue_circle": 29}
KINDS_LEFT_OUT = {"points": 1, "polyline": 1, "skeleton": 1, "cuboid": 1}
CASES = [
    ("synth-10", "CVAT_for_images_1.1", 9, 10, SYNTH, {}, {}),
    ("synth-10", "CVAT_for_video_1.1", 9, 10, SYNTH, {}, {}),
    ("synth-10", "COCO_1.0", 9, 10, SYNTH, {}, {}),
    ("synth-10", "PASCAL_VOC_1.1", 9, 10, SYNTH, {}, {}),
    ("synth-10", "YOLO_1.1", 9, 10, SYNTH, {}, {}),
    ("synth-10", "Datumaro_1.0", 9, 10, SYNTH, {}, {}),
    (
        "shapes-mixed",
        "CVAT_for_images_1.1",
        5,
        6,
        MIXED,
        {"rotated box": 1, "polygon": 2, "mask": 2, "ellipse": 1},
        {"tag": 2, **KINDS_LEFT_OUT},
    ),
    # The image of frame 4, an ellipse, cannot be told: "Ünï-cödé" and "with space" sort either way.
    (
        "shapes-mixed",
        "CVAT_for_video_1.1",
        4,
        6,
        MIXED | {"car": 4},
        {"rotated box": 1, "polygon": 2, "mask": 2},
        KINDS_LEFT_OUT,
    ),
    # CVAT merges shapes of one group (the person is lost) and makes the ellipse a mask.
    (
        "shapes-mixed",
        "COCO_1.0",
        5,
        6,
        MIXED | {'Person, "quoted" <x>': 2},
        {"rotated box": 1, "polygon": 2, "mask": 3},
        {},
    ),
    # Only boxes are in these two; YOLO does not say that one of them is rotated.
    (
        "shapes-mixed",
        "PASCAL_VOC_1.1",
        2,
        6,
        MIXED | {"car": 2, 'Person, "quoted" <x>': 1},
        {"rotated box": 1},
        {},
    ),
    (
        "shapes-mixed",
        "YOLO_1.1",
        2,
        6,
        MIXED | {"car": 2, 'Person, "quoted" <x>': 1},
        {},
        {},
    ),
    ("video-tracks", "CVAT_for_images_1.1", 25, 25, VIDEO, {"ellipse": 28}, {"tag": 1}),
    ("video-tracks", "CVAT_for_video_1.1", 25, 25, VIDEO, {"ellipse": 28}, {}),
    ("video-tracks", "COCO_1.0", 25, 25, VIDEO, {"mask": 28}, {}),
    ("video-tracks", "Datumaro_1.0", 25, 25, VIDEO, {"mask": 28}, {"tag": 1}),
    ("video-tracks", "PASCAL_VOC_1.1", 24, 25, {"red_square": 24, "blue_circle": 1}, {}, {}),
    ("video-tracks", "YOLO_1.1", 24, 25, {"red_square": 24, "blue_circle": 1}, {}, {}),
]


@pytest.mark.parametrize(("task", "name", "images", "frames", "boxes", "converted", "dropped"), CASES)
def test_the_export_holds(tmp_path, task, name, images, frames, boxes, converted, dropped):
    health = load_dataset([EXPORTS / task / f"{name}.zip"], tmp_path / "store").health

    assert (health.images, health.load_report.frames) == (images, frames)
    assert health.boxes_of == boxes
    assert health.load_report.converted == converted
    assert health.load_report.dropped == dropped


def test_shapes_of_every_kind_become_the_boxes_that_are_drawn(tmp_path):
    dataset = load_dataset([EXPORTS / "shapes-mixed/CVAT_for_images_1.1.zip"], tmp_path / "store")
    boxes = {sample.name: sample.boxes.round(2).tolist() for sample in dataset.samples}

    # 100 x 60 about (100, 90), turned by 33.5 degrees: half sides 58.25 and 52.61
    assert boxes["gray.jpg"][1] == pytest.approx([41.75, 37.39, 158.25, 142.61], abs=0.01)
    assert boxes["nested.jpg"] == [[0, 0, 20, 20], [0, 0, 437, 245], [100, 60, 200, 160]]
    assert boxes["pic.png"] == [[90, 60, 200, 160], [10, 10, 60, 60]]
    # The crops are 20 x 20 at (30, 40) and (38, 45); the disks fill columns and rows 1 to 18.
    assert boxes["plain.jpg"] == [[31, 41, 49, 59], [39, 46, 57, 64]]
    assert boxes["Ünï-cödé.jpeg"] == [[110, 60, 190, 140]]


def masks_of(name):
    """The masks of each image of `shapes-mixed`, by its name without extension."""
    samples = load_dataset([EXPORTS / f"shapes-mixed/{name}.zip"], None, masks=True).samples
    found = {PurePosixPath(sample.name).stem: [mask for mask in sample.masks if mask] for sample in samples}
    return {name: sorted(masks, key=lambda mask: mask.left) for name, masks in found.items() if masks}


def test_formats_agree_about_the_masks_of_every_shape():
    images, video, coco = map(masks_of, ("CVAT_for_images_1.1", "CVAT_for_video_1.1", "COCO_1.0"))

    # A rotated box of 100 x 60, two polygons, two brush masks and an ellipse with radii of 40.
    assert {name: [mask.area for mask in masks] for name, masks in images.items()} == {
        "gray": [6000],
        "pic": [1500, 7890],
        "plain": [256, 256],
        "Ünï-cödé": [5024],
    }
    (ellipse,), (filled,) = images.pop("Ünï-cödé"), coco.pop("Ünï-cödé")
    assert images == video == coco
    # CVAT fills the ellipse's border as well, half a pixel further out.
    assert intersection(ellipse, filled) > 0.99 * ellipse.area
    assert filled.area == pytest.approx(3.1416 * 40.5**2, rel=0.01)


def test_a_video_is_the_same_group_in_every_format_and_is_cut_if_it_is_all_there_is(tmp_path):
    groups = Counter()
    for path in sorted((EXPORTS / "video-tracks").glob("*[01].zip")):
        dataset = load_dataset([path], tmp_path / "store")
        groups.update({sample.group for sample in dataset.samples})
    division = split_samples(dataset.samples)

    assert list(groups.values()) == [6]
    assert len({sample.frame // 5 for sample in division.validation}) == 1
    assert "are one video, which was cut into blocks of 5 frames" in division.notes[0]


@pytest.mark.parametrize(
    ("name", "part", "images", "boxes"),
    [
        ("microcontrollers", "eval_train.txt", 119, 141),
        ("microcontrollers", "eval_test.txt", 30, 36),
        ("raccoon", "eval_train.txt", 160, 172),
        ("raccoon", "eval_test.txt", 40, 45),
    ],
)
def test_plain_voc_folders_are_read_by_their_lists(tmp_path, name, part, images, boxes):
    folder = SHARED / "data" / name
    health = load_dataset([folder], tmp_path / "store", only=(folder / part).read_text().split()).health

    assert (health.images, health.boxes, health.load_report.problems) == (images, boxes, {})
