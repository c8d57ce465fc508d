import io
import re
import zipfile

import defusedxml.ElementTree
import pytest
from PIL import Image

from preannotate.formats import read_export
from preannotate.synthetic import LABELS, SyntheticImageError, draw_image, write_export
from trainer.datasets import load_dataset

SMALL = (160, 120)


def test_an_export_parsed_back_equals_the_images(tmp_path):
    path = write_export(tmp_path / "new" / "images.zip", 3, seed=2, size=SMALL)

    with zipfile.ZipFile(path) as archive:
        root = defusedxml.ElementTree.fromstring(archive.read("annotations.xml"))
        assert sorted(archive.namelist()) == [
            "annotations.xml",
            *(f"images/image_000{i}.jpg" for i in range(3)),
        ]
        sizes = [Image.open(io.BytesIO(archive.read(f"images/image_000{i}.jpg"))).size for i in range(3)]
    assert sizes == [SMALL] * 3
    assert [label.text for label in root.findall("meta/task/labels/label/name")] == list(LABELS)
    for i, image in enumerate(root.findall("image")):
        synthetic = draw_image(2_000_000 + i, SMALL)
        expected = {"id": str(i), "name": f"image_000{i}.jpg", "width": "160", "height": "120"}
        assert image.attrib == expected
        boxes = image.findall("box")
        assert [LABELS.index(box.get("label")) for box in boxes] == synthetic.class_ids.tolist()
        corners = [[float(box.get(key)) for key in ("xtl", "ytl", "xbr", "ybr")] for box in boxes]
        assert corners == synthetic.boxes.tolist()
        assert [box.get("occluded") == "1" for box in boxes] == synthetic.occluded.tolist()
        assert {box.get("source") for box in boxes} == {"manual"}


def test_a_seed_writes_the_same_bytes_as_zip_and_the_same_files_as_folder(tmp_path):
    first = write_export(tmp_path / "a.zip", 2, seed=1, size=SMALL)
    second = write_export(tmp_path / "b.zip", 2, seed=1, size=SMALL)
    folder = write_export(tmp_path / "c", 2, seed=1, size=SMALL)

    assert first.read_bytes() == second.read_bytes()
    with zipfile.ZipFile(first) as archive:
        names = archive.namelist()
        assert all((folder / name).read_bytes() == archive.read(name) for name in names)
    assert sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.*")) == sorted(names)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.zip", "b.zip", "c"]


def test_an_existing_destination_is_left_alone(tmp_path):
    path = tmp_path / "mine.zip"
    path.write_text("mine")

    with pytest.raises(
        SyntheticImageError,
        match=re.escape(f"{path}: exists; expected a new file or folder. Remove it or choose another."),
    ):
        write_export(path, 1, seed=0, size=SMALL)

    assert path.read_text() == "mine"


def test_nothing_to_draw_is_refused(tmp_path):
    with pytest.raises(SyntheticImageError, match=re.escape("count: 0; expected 1 to 999999 images.")):
        write_export(tmp_path / "a.zip", 0, seed=0)


def test_a_failure_leaves_nothing_behind(tmp_path):
    with pytest.raises(SyntheticImageError, match=re.escape("size: 10x10 pixels")):
        write_export(tmp_path / "a", 1, seed=0, size=(10, 10))

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("format_name", ["cvat-images", "coco"])
def test_outlines_are_those_that_were_drawn(tmp_path, format_name):
    path = write_export(tmp_path / "export", 3, seed=4, size=SMALL, masks=True, format_name=format_name)
    samples = load_dataset([path], None, masks=True).samples

    assert len(samples) == 3
    for i, sample in enumerate(samples):
        synthetic = draw_image(4_000_000 + i, SMALL)
        assert sample.masks == synthetic.masks
        assert sample.boxes.tolist() == synthetic.boxes.tolist()
        assert [LABELS[class_id] for class_id in synthetic.class_ids] == [
            load_dataset([path], None).labels[class_id] for class_id in sample.class_ids
        ]


def test_labels_of_outlines_are_for_masks(tmp_path):
    export = read_export(tmp_path, write_export(tmp_path / "masks", 1, seed=4, size=SMALL, masks=True)).export
    assert set(export.label_types.values()) == {"mask"}
    assert {shape.kind for shape in export.frames[0].shapes} == {"mask"}
    export = read_export(tmp_path, write_export(tmp_path / "boxes", 1, seed=4, size=SMALL)).export
    assert set(export.label_types.values()) == {"rectangle"}
