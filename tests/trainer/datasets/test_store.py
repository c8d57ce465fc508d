import json
import re
import shutil

import numpy as np
import pytest
from support import annotation_exports

from preannotate.core.errors import FileError
from preannotate.formats.records import DatasetError
from trainer.datasets import load_dataset, read_dataset, save_dataset
from trainer.datasets.dataset import store_image


@pytest.fixture
def saved(tmp_path):
    shapes = annotation_exports.cvat_box("cat", (1 / 3, 0.1, 77.77, 63.3)) + '<tag label="cat"/>'
    shapes += annotation_exports.cvat_box("cat", (2 / 3, 3, 50, 60), 'source="auto"')
    folder = tmp_path / "export"
    annotation_exports.draw(folder / "images/a.jpg", (200, 100))
    annotation_exports.write_text(
        folder / "annotations.xml",
        f'<annotations>{annotation_exports.cvat_meta()}<image id="0" name="a.jpg" width="200" height="100">'
        f"{shapes}</image></annotations>",
    )
    dataset = load_dataset([folder, annotation_exports.coco(tmp_path / "second")], tmp_path / "store", negatives=True)
    save_dataset(dataset, tmp_path / "store")
    return dataset


def test_a_saved_dataset_comes_back_equal_after_the_folder_moved(saved, tmp_path):
    shutil.move(tmp_path / "store", tmp_path / "elsewhere")
    shutil.rmtree(tmp_path / "export")
    again = read_dataset(tmp_path / "elsewhere")

    assert again == saved
    assert again.health.to_json((320, 320)) == saved.health.to_json((320, 320))
    assert again.samples[0].boxes.dtype == np.float32
    assert again.samples[0].class_ids.dtype == np.int64
    assert (again.samples[0].ignored.dtype, again.samples[0].ignored.shape) == (np.float32, (3, 4))
    assert all(sample.image.is_file() for sample in again.samples)


def test_no_path_of_this_machine_is_written(saved, tmp_path):
    assert str(tmp_path) not in (tmp_path / "store/samples.json").read_text()


def test_two_sets_share_a_store(saved, tmp_path):
    save_dataset(saved, tmp_path / "store", name="validation.json")

    assert read_dataset(tmp_path / "store", name="validation.json") == read_dataset(tmp_path / "store")


def test_an_image_is_linked_where_that_is_possible(tmp_path):
    source = annotation_exports.draw(tmp_path / "a.JPG", (20, 20))
    target = store_image(source, "0" * 64, tmp_path / "store")

    assert target == tmp_path / "store/images" / ("0" * 64 + ".jpg")
    assert target.stat().st_ino == source.stat().st_ino
    assert store_image(source, "0" * 64, tmp_path / "store") == target


def test_a_shortened_copy_is_replaced(tmp_path):
    source = annotation_exports.draw(tmp_path / "a.jpg", (20, 20))
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "c.jpg").write_bytes(b"cut off by a power failure")

    assert store_image(source, "c", tmp_path).read_bytes() == source.read_bytes()


def test_a_damaged_file_is_named(tmp_path):
    (tmp_path / "samples.json").write_text("{")
    with pytest.raises(FileError, match=r"samples\.json: not JSON"):
        read_dataset(tmp_path)


def test_a_missing_file_is_named(tmp_path):
    sentence = f"{tmp_path / 'samples.json'}: no such file; expected the samples of a run. Start the training again."
    with pytest.raises(DatasetError, match=f"^{re.escape(sentence)}$"):
        read_dataset(tmp_path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[]", "format 'list'; expected 1."),
        ('{"format": 9}', "format 9; expected 1."),
        ('{"format": 1}', "KeyError('samples'); expected the samples of a run."),
    ],
)
def test_a_foreign_file_is_named(tmp_path, text, words):
    (tmp_path / "samples.json").write_text(text)
    sentence = f"{tmp_path / 'samples.json'}: {words} Start the training again."
    with pytest.raises(DatasetError, match=f"^{re.escape(sentence)}$"):
        read_dataset(tmp_path)


def test_a_lost_image_is_named(saved, tmp_path):
    saved.samples[0].image.unlink()
    with pytest.raises(DatasetError) as caught:
        read_dataset(tmp_path / "store")
    lost = [s.name for s in saved.samples if s.content == saved.samples[0].content]
    assert str(caught.value) == (
        f"{tmp_path / 'store/samples.json'}: {len(lost)} images are missing, the first 'a.jpg'; expected them in "
        f"{tmp_path / 'store/images'}. Start the training again."
    )


@pytest.fixture
def with_masks(tmp_path):
    shapes = '<polygon label="cat" points="10,10;60,10;60,50;10,50;10,10;20,20;20,40;50,40;50,20;20,20"/>'
    shapes += annotation_exports.cvat_box("cat", (100, 20, 150, 60))
    annotation_exports.draw(tmp_path / "export/images/a.jpg", (200, 100))
    annotation_exports.write_text(
        tmp_path / "export/annotations.xml",
        f'<annotations>{annotation_exports.cvat_meta()}<image id="0" name="a.jpg" width="200" height="100">'
        f"{shapes}</image></annotations>",
    )
    dataset = load_dataset([tmp_path / "export"], tmp_path / "store", masks=True)
    save_dataset(dataset, tmp_path / "store")
    return dataset


def test_masks_are_kept_with_their_holes(with_masks, tmp_path):
    again = read_dataset(tmp_path / "store")

    assert again == with_masks
    mask, none = again.samples[0].masks
    assert mask.area == 50 * 40 - 30 * 20
    assert none is None
    assert again.health.masks_of == {"cat": 1}
    # An object of 40 rows is a line of some 100 numbers and not 2,000 pixels.
    assert (tmp_path / "store/samples.json").stat().st_size < 2000


def test_a_dataset_without_masks_is_stored_as_before(saved, tmp_path):
    samples = json.loads((tmp_path / "store/samples.json").read_text())["samples"]
    assert all("masks" not in sample for sample in samples)


# The last claims more pixels than there is memory for.
BAD_MASKS = ["", "0 0 2", "0 0 2 2 1 2", "0 0 2 2 a 4", f"0 0 {10**9} {10**9} 0 {10**18}"]


@pytest.mark.parametrize("masks", [[None], [None, 3], [None, {}], 7, *([None, text] for text in BAD_MASKS)])
def test_damaged_masks_are_named(with_masks, masks, tmp_path):
    path = tmp_path / "store/samples.json"
    content = json.loads(path.read_text())
    content["samples"][0]["masks"] = masks
    path.write_text(json.dumps(content))

    with pytest.raises(DatasetError, match=r"samples\.json.*expected the samples of a run"):
        read_dataset(tmp_path / "store")
