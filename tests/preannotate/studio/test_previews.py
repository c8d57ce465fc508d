"""Pictures on disk: few, and only pictures."""

import os

import pytest

from preannotate.studio import previews as module
from preannotate.studio.errors import StudioError
from preannotate.studio.previews import PreviewCache

PNG, JPEG = b"\x89PNG\r\n\x1a\n...", b"\xff\xd8\xff..."


def test_the_ones_not_looked_at_for_longest_go_first(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MOST_FILES", 2)
    previews = PreviewCache(tmp_path)
    for number in (1, 2):
        previews.picture(1, number, "monday", lambda: PNG)
    for path in tmp_path.iterdir():
        os.utime(path, (0, 0))
    previews.picture(1, 1, "monday", lambda: pytest.fail("it is there"))
    previews.picture(1, 3, "monday", lambda: JPEG)

    assert sorted(path.name.split("-")[1] for path in tmp_path.iterdir()) == ["1", "3"]
    assert previews.picture(1, 3, "monday", lambda: PNG) == (JPEG, "image/jpeg")


@pytest.mark.parametrize("content", [b"", b"<html>", b"GIF89a", b"<svg/>"])
def test_what_is_no_picture_is_not_kept(tmp_path, content):
    with pytest.raises(StudioError, match=rf"^task 7: preview of {len(content)} bytes is not an image;"):
        PreviewCache(tmp_path).picture(1, 7, "monday", lambda: content)
    assert list(tmp_path.iterdir()) == []


def test_a_picture_that_is_none_of_a_list(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MOST_BYTES", 10)
    with pytest.raises(StudioError, match="task 7: preview of 11 bytes is not an image"):
        PreviewCache(tmp_path).picture(1, 7, "monday", lambda: PNG)
