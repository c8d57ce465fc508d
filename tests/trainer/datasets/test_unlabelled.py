import shutil
import zipfile

import numpy as np
import pytest
from PIL import Image
from support import annotation_exports

from preannotate.formats.records import DatasetError
from trainer.datasets import Split, load_dataset
from trainer.datasets.unlabelled import load_unlabelled

NOTHING = Split((), ())


def draw(folder, *numbers):
    """Write images that differ, named by their number."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        Image.fromarray(np.full((48, 64, 3), number, np.uint8)).save(folder / f"{number}.png")
    return folder


@pytest.fixture
def store(tmp_path):
    (tmp_path / "store").mkdir()
    return tmp_path / "store"


def test_a_folder_of_images_is_copied_into_the_store(tmp_path, store):
    images = load_unlabelled([draw(tmp_path / "frames" / "deep", 1, 2, 3)], store, NOTHING)

    assert sorted(sample.name for sample in images.samples) == ["1.png", "2.png", "3.png"]
    assert {sample.image.parent for sample in images.samples} == {store / "images"}
    assert all(sample.boxes.shape == (0, 4) and sample.image_size == (64, 48) for sample in images.samples)
    assert images.summary == "3 images without annotations for self-training."


def test_an_archive_of_images_is_read_and_leaves_nothing_behind(tmp_path, store):
    archive = shutil.make_archive(str(tmp_path / "frames"), "zip", draw(tmp_path / "frames", 1, 2))

    assert len(load_unlabelled([tmp_path / archive], store, NOTHING).samples) == 2
    assert [path.name for path in store.iterdir()] == ["images"]


def test_images_that_are_known_better_are_left_out_by_their_content(tmp_path, store):
    dataset = load_dataset([annotation_exports.cvat_images(tmp_path / "export")], store, negatives=True)
    train, validation = dataset.samples[:2], dataset.samples[2:]
    folder = draw(tmp_path / "frames", 1)
    for number, sample in enumerate(dataset.samples):
        shutil.copy(sample.image, folder / f"again-{number}{sample.image.suffix}")
    shutil.copy(folder / "1.png", folder / "twice.png")
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n and then nothing")

    images = load_unlabelled([folder], store, Split(train, validation))

    assert len(images.samples) == 1
    assert dict(images.left_out) == {
        "that are training images": len(train),
        "that are validation images": len(validation),
        "that are there twice": 1,
        "that cannot be read": 1,
    }


def test_of_an_export_the_images_without_boxes_of_people_are_used(tmp_path, store):
    images = load_unlabelled([annotation_exports.cvat_images(tmp_path / "export")], store, NOTHING)

    assert [sample.name for sample in images.samples] == ["c.jpg"]
    assert dict(images.left_out) == {"with boxes of people": 2}


def test_there_is_a_limit_and_a_further_image_changes_few_of_those_below(tmp_path, store):
    folder = draw(tmp_path / "frames", *range(10))
    before = load_unlabelled([folder], store, NOTHING, limit=4)
    draw(folder, 10)
    after = load_unlabelled([folder], store, NOTHING, limit=4)

    assert len(before.samples) == len(after.samples) == 4
    assert len({sample.content for sample in before.samples} & {sample.content for sample in after.samples}) >= 3
    assert sum(count for _, count in before.left_out) == 6


def test_a_path_without_images_is_refused(tmp_path, store):
    (tmp_path / "empty").mkdir()
    with zipfile.ZipFile(tmp_path / "texts.zip", "w") as archive:
        archive.writestr("a.md", "nothing to see")

    for path in (tmp_path / "empty", tmp_path / "texts.zip"):
        with pytest.raises(DatasetError, match="no images; expected a folder or archive of images, or an export"):
            load_unlabelled([path], store, NOTHING)
