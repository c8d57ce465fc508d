import re
from pathlib import Path

import numpy as np
import pytest
from support import annotation_exports

from preannotate.formats.records import DatasetError
from trainer.datasets import Dataset, Health, Sample, check_dataset, load_dataset
from trainer.datasets.coordinates import SCALED
from trainer.datasets.health import LoadedExport, LoadReport


def sample(index, boxes, class_ids, image_size=(640, 320)):
    return Sample(
        name=f"{index}.jpg",
        image=Path(f"{index}.jpg"),
        content=str(index),
        image_size=image_size,
        boxes=np.array(boxes, np.float32).reshape(-1, 4),
        class_ids=np.array(class_ids, np.int64),
        group=str(index),
    )


def dataset(samples, labels=("cat", "dog"), **found):
    export = LoadedExport("export.zip", "coco", "COCO 1.0", has_sources=False)
    report = LoadReport(exports=[export], frames=len(samples), **found)
    return Dataset(tuple(labels), tuple(samples), Health.of(samples, labels, report))


TWO = [
    sample(1, [[0, 0, 60, 60], [0, 0, 10, 10]], [0, 0]),
    sample(2, [[0, 0, 64, 64], [0, 0, 400, 200]], [0, 1]),
    sample(3, [], []),
]


def test_boxes_and_images_are_counted_by_class():
    health = dataset(TWO).health

    assert (health.images, health.boxes, health.negatives) == (3, 4, 1)
    assert health.boxes_of == {"cat": 3, "dog": 1}
    assert health.images_of == {"cat": 2, "dog": 1}


def test_box_sizes_are_those_in_the_input():
    """640 x 320 in 320 x 320 halves: sides 30 and 5 are small, 32 medium, sqrt(200 * 100) = 141 large."""
    health = dataset(TWO).health

    assert health.box_sizes((320, 320)) == {"small": 2, "medium": 1, "large": 1, "below 8 px": 1}
    assert health.box_sizes((640, 640)) == {"small": 1, "medium": 2, "large": 1, "below 8 px": 0}


def test_the_summary_in_words():
    found = {
        "unannotated": 3,
        "unusable": 1,
        "dropped": {"tag": 2, "automatic": 5},
        "examples": {"automatic": ["a.jpg", "b.jpg", "c.jpg"]},
        "converted": {"polygon": 4},
        "duplicates": [["a.jpg", "b.jpg"]],
        "problems": {"missing": [f"{index}.png" for index in range(7)], "unreadable": ["u.jpg"]},
        "unreadable": {"u.jpg": "image: broken"},
        "conflicts": ["x.jpg"],
        "partly_automatic": 1,
        "notes": ["export.zip: guessed."],
    }

    assert dataset(TWO, **found).health.to_text((320, 320)).splitlines() == [
        "export.zip: COCO 1.0, which does not mark automatic boxes",
        "3 images of 3 used, 4 boxes",
        "  cat: 3 boxes in 2 images",
        "  dog: 1 box in 1 image",
        "box sizes in an input of 320x320: 2 small (below 32 pixels), 1 medium, 1 large (from 96)",
        "without annotations: 3 images, not used",
        "without a usable shape: 1 image, not used",
        "turned into boxes: 4 polygon",
        "left out: 5 automatic (a.jpg, b.jpg and 3 more)",
        "left out: 2 tag",
        "missing: 7 images (0.png, 1.png, 2.png, 3.png, 4.png and 2 more)",
        "unreadable: 1 image (u.jpg)",
        "  u.jpg: image: broken",
        "repeated images left out: 1 (a.jpg = b.jpg)",
        "warning: Only 4 boxes: expect a detector that finds objects much like those annotated and misses many "
        "others, and a mAP that changes by points with each image more.",
        "warning: Only 3 boxes of 'cat': expected at least 10 before it is detected reliably.",
        "warning: Only 1 box of 'dog': expected at least 10 before it is detected reliably.",
        "warning: 1 image lost unreviewed automatic boxes and kept others: training ignores these regions, "
        "and validation leaves out these images. Review them in CVAT.",
        "warning: 1 box smaller than 8 pixels in an input of 320x320: too small to be detected. Choose a larger input.",
        "warning: 1 image with the same content but different boxes (x.jpg): all are used; keep the right one.",
        "warning: export.zip: guessed.",
    ]


def test_the_summary_as_json():
    content = dataset(TWO, unannotated=3).health.to_json((320, 320))

    assert content["classes"] == {"cat": {"images": 2, "boxes": 3}, "dog": {"images": 1, "boxes": 1}}
    assert (content["images"], content["negatives"], content["boxes"]) == (3, 1, 4)
    assert content["box_sizes"]["large"] == 1
    assert content["load_report"]["unannotated"] == 3
    assert len(content["warnings"]) == 4


def test_enough_boxes_give_no_warning():
    samples = [sample(index, [[0, 0, 60, 60]] * 10, [0] * 10) for index in range(10)]

    assert dataset(samples, labels=("cat",)).health.warnings((320, 320)) == []
    check_dataset(dataset(samples, labels=("cat",)))


def test_fewer_than_ten_images_are_refused_with_what_became_of_the_others():
    problems = {"HEIC, which is not read: convert it": ["b", "c"], "missing": ["a"], SCALED: ["d"]}
    found = {"unannotated": 5, "unusable": 2, "problems": problems, "dropped": {"automatic": 4}}
    sentence = (
        "export.zip: 3 usable images of 3; expected at least 10. Of the others 5 have no annotations, 2 have no "
        "usable shape, 4 shapes are automatic and need --include-auto, 3 have no image that can be used "
        "(HEIC, which is not read: 2; missing: 1). Annotate more images."
    )
    with pytest.raises(DatasetError, match=f"^{re.escape(sentence)}$"):
        check_dataset(dataset(TWO, **found))


def test_a_class_without_a_box_is_refused():
    samples = [sample(index, [[0, 0, 60, 60]], [0]) for index in range(10)]
    sentence = (
        "export.zip: no box of 'dog', 'bird'; expected at least one of each class. "
        "Annotate some, or do not name it in --labels."
    )
    with pytest.raises(DatasetError, match=f"^{re.escape(sentence)}$"):
        check_dataset(dataset(samples, labels=("cat", "dog", "bird")))


def test_the_counts_of_a_real_reading_arrive(tmp_path):
    health = load_dataset([annotation_exports.cvat_images(tmp_path / "export")], tmp_path / "store").health

    assert health.to_text().splitlines()[:4] == [
        "export: CVAT for images 1.1",
        "2 images of 3 used, 3 boxes",
        "  cat: 2 boxes in 2 images",
        '  dog, "old": 1 box in 1 image',
    ]


def test_names_cannot_move_the_cursor_and_many_rare_labels_are_one_sentence():
    names = ("cat\x1b[2J\n", *(f"{n}\u202e" for n in range(9)))
    samples = [sample(index, [[0, 0, 60, 60]], [index]) for index in range(10)]
    text = dataset(samples, labels=names).health.to_text()

    assert "  cat\\x1b[2J\\n: 1 box in 1 image" in text.splitlines()
    assert all(line.isprintable() for line in text.splitlines())
    assert text.count("reliably") == 1
    assert "Fewer than 10 boxes of 10 labels (cat\\x1b[2J\\n, " in text


def test_a_million_labels_are_no_classes():
    samples = [sample(index, [[0, 0, 60, 60]], [0]) for index in range(10)]
    labels = tuple(map(str, range(25_001)))
    with pytest.raises(DatasetError, match="25001 labels; expected at most 25000"):
        check_dataset(dataset(samples, labels=labels))
