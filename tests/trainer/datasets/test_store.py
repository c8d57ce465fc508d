import re
import shutil

import numpy as np
import pytest
from support import annotation_exports

from preannotate.formats.errors import DatasetError
from trainer.datasets import load, read_saved, save
from trainer.datasets.store import put_image


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
    dataset = load([folder, annotation_exports.coco(tmp_path / "second")], tmp_path / "store", negatives=True)
    save(dataset, tmp_path / "store")
    return dataset


def test_a_saved_dataset_comes_back_equal_after_the_folder_moved(saved, tmp_path):
    shutil.move(tmp_path / "store", tmp_path / "elsewhere")
    shutil.rmtree(tmp_path / "export")
    again = read_saved(tmp_path / "elsewhere")

    assert again == saved
    assert again.health.to_json((320, 320)) == saved.health.to_json((320, 320))
    assert again.samples[0].boxes.dtype == np.float32
    assert again.samples[0].class_ids.dtype == np.int64
    assert (again.samples[0].ignored.dtype, again.samples[0].ignored.shape) == (np.float32, (1, 4))
    assert all(sample.image.is_file() for sample in again.samples)


def test_no_path_of_this_machine_is_written(saved, tmp_path):
    assert str(tmp_path) not in (tmp_path / "store/samples.json").read_text()


def test_two_sets_share_a_store(saved, tmp_path):
    save(saved, tmp_path / "store", name="validation.json")

    assert read_saved(tmp_path / "store", name="validation.json") == read_saved(tmp_path / "store")


def test_an_image_is_linked_where_that_is_possible(tmp_path):
    source = annotation_exports.draw(tmp_path / "a.JPG", (20, 20))
    target = put_image(source, "0" * 64, tmp_path / "store")

    assert target == tmp_path / "store/images" / ("0" * 64 + ".jpg")
    assert target.stat().st_ino == source.stat().st_ino
    assert put_image(source, "0" * 64, tmp_path / "store") == target


def test_an_image_is_copied_where_links_are_not_possible(tmp_path, monkeypatch):
    def no_link(*_):
        raise OSError("links are not supported")

    monkeypatch.setattr("os.link", no_link)
    source = annotation_exports.draw(tmp_path / "a.jpg", (20, 20))
    target = put_image(source, "0" * 64, tmp_path / "store")

    assert target.read_bytes() == source.read_bytes()
    assert target.stat().st_ino != source.stat().st_ino


def test_an_image_that_cannot_be_written_is_a_sentence_and_leaves_nothing(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.link", full)
    monkeypatch.setattr("shutil.copyfile", full)
    source = annotation_exports.draw(tmp_path / "a.jpg", (20, 20))
    sentence = (
        f"{tmp_path / 'images' / 'c.jpg'}: No space left on device; expected room for the images of the run. "
        "Make room and start again."
    )
    with pytest.raises(DatasetError, match=f"^{re.escape(sentence)}$"):
        put_image(source, "c", tmp_path)
    assert list((tmp_path / "images").iterdir()) == []


def test_a_missing_file_is_named(tmp_path):
    sentence = f"{tmp_path / 'samples.json'}: no such file; expected the samples of a run. Start the training again."
    with pytest.raises(DatasetError, match=f"^{re.escape(sentence)}$"):
        read_saved(tmp_path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "{",
            "Expecting property name enclosed in double quotes: line 1 column 2 (char 1); "
            "expected the samples of a run.",
        ),
        ("[]", "format 'list'; expected 1."),
        ('{"format": 9}', "format 9; expected 1."),
        ('{"format": 1}', "KeyError('samples'); expected the samples of a run."),
    ],
)
def test_a_foreign_file_is_named(tmp_path, text, words):
    (tmp_path / "samples.json").write_text(text)
    sentence = f"{tmp_path / 'samples.json'}: {words} Start the training again."
    with pytest.raises(DatasetError, match=f"^{re.escape(sentence)}$"):
        read_saved(tmp_path)


def test_a_lost_image_is_named(saved, tmp_path):
    saved.samples[0].image.unlink()
    with pytest.raises(DatasetError) as caught:
        read_saved(tmp_path / "store")
    lost = [s.name for s in saved.samples if s.content == saved.samples[0].content]
    assert str(caught.value) == (
        f"{tmp_path / 'store/samples.json'}: {len(lost)} images are gone, the first 'a.jpg'; expected them in "
        f"{tmp_path / 'store/images'}. Start the training again."
    )
