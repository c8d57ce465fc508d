"""Pictures for the function of `tests/preannotate/conftest.py`."""

import pytest
from PIL import Image


@pytest.fixture
def photos(tmp_path):
    """Three pictures: a red box, nothing, a red box in a subfolder."""
    folder = tmp_path / "photos"
    draw(folder / "a.png", (128, 128), (20, 40, 60, 100))
    draw(folder / "b.png", (128, 64), None)
    draw(folder / "sub" / "c.bmp", (64, 64), (8, 16, 32, 64))
    return folder


def draw(path, size, box):
    """A black picture with one red box."""
    image = Image.new("RGB", size)
    if box is not None:
        image.paste((255, 0, 0), box)
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)
