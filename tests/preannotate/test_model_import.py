import re

import pytest
from PIL import Image

from preannotate import model_import
from preannotate.core.errors import UsageError
from preannotate.formats.records import DatasetError
from preannotate.model_import import collect_proof_images


def photos(folder, count):
    folder.mkdir()
    for number in range(count):
        Image.new("RGB", (40, 30), (number, 0, 0)).save(folder / f"{number:03d}.png")
    return folder


def test_without_images_scenes_are_drawn_and_their_annotations_do_not_count(tmp_path):
    found = collect_proof_images([], tmp_path, ("cat",))
    assert len(found.images) == model_import.SYNTHETIC_IMAGES
    assert all(image.size == (640, 480) and not len(image.boxes) for image in found.images)


def test_what_systems_put_beside_photos_does_not_count(tmp_path):
    folder = photos(tmp_path / "photos", 2)
    for name in ("Thumbs.db", "desktop.ini", ".DS_Store"):
        (folder / name).touch()
    (tmp_path / "store").mkdir()
    assert len(collect_proof_images([folder], tmp_path / "store", ("cat",)).images) == 2


def test_a_folder_of_photos_is_thinned_evenly(tmp_path, monkeypatch):
    monkeypatch.setattr(model_import, "MAX_PHOTOS", 4)
    store = tmp_path / "store"
    store.mkdir()
    found = collect_proof_images([photos(tmp_path / "photos", 9)], store, ("cat",))
    assert [image.name for image in found.images] == ["000.png", "003.png", "006.png"]
    assert found.images[0].size == (40, 30)
    assert found.data(found.images[1]) == (tmp_path / "photos" / "003.png").read_bytes()


def test_a_folder_with_anything_else_is_an_export(tmp_path, rectangles):
    store = tmp_path / "store"
    found = collect_proof_images([rectangles], store, ("bright",))
    assert sum(len(image.boxes) for image in found.images) == 24
    (photos(tmp_path / "photos", 1) / "README.md").write_text("no export")
    with pytest.raises(DatasetError, match=r"^photos: no known annotation format"):
        collect_proof_images([tmp_path / "photos"], store, ("cat",))


def test_a_photo_that_is_none(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"no image")
    sentence = f"{tmp_path / 'a.jpg'}: image: 8 bytes that no image decoder knows; expected a whole file in one of"
    with pytest.raises(UsageError, match=f"^{re.escape(sentence)}"):
        collect_proof_images([tmp_path / "a.jpg"], tmp_path, ("cat",))
