"""Whatever lies in a folder under the name of an image: it is read or refused, and never waited for."""

import os
import re
import socket

import pytest

from runtime.errors import ImageError
from runtime.image_file import check_image_file, read_image_file
from runtime.image_limits import MAX_FILE_BYTES


def refuse(path, words):
    for look in (check_image_file, read_image_file):
        with pytest.raises(ImageError, match=re.escape(words)):
            look(path)


def test_a_regular_file_and_a_link_to_it(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"pixels")
    (tmp_path / "b.jpg").symlink_to("a.jpg")
    assert read_image_file(tmp_path / "a.jpg") == read_image_file(tmp_path / "b.jpg") == b"pixels"


def test_a_pipe_that_nobody_writes_to(tmp_path):
    os.mkfifo(tmp_path / "a.jpg")
    (tmp_path / "b.jpg").symlink_to("a.jpg")
    for name in ("a.jpg", "b.jpg"):
        refuse(tmp_path / name, "image: a named pipe; expected a regular file. Remove it, or leave it out.")


def test_a_file_that_becomes_a_pipe_after_it_was_looked_at(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "a.jpg")
    monkeypatch.setattr("runtime.image_file.check_image_file", lambda path: None)
    with pytest.raises(ImageError, match="a named pipe"):
        read_image_file(tmp_path / "a.jpg")


def test_a_socket_a_device_and_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the path of a socket is short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("a.jpg")
        refuse(tmp_path / "a.jpg", "image: a socket; expected a regular file.")
    (tmp_path / "zero.jpg").symlink_to("/dev/zero")
    refuse(tmp_path / "zero.jpg", "image: a device; expected a regular file.")
    (tmp_path / "folder.jpg").mkdir()
    refuse(tmp_path / "folder.jpg", "image: a folder; expected a regular file.")


def test_a_file_larger_than_any_image(tmp_path):
    with (tmp_path / "a.jpg").open("wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)
    refuse(
        tmp_path / "a.jpg", "image: a file of 75000001 bytes; expected at most 75000000. Send it smaller, or as JPEG."
    )


def test_links_in_a_circle_and_to_nothing(tmp_path):
    (tmp_path / "a.jpg").symlink_to("b.jpg")
    (tmp_path / "b.jpg").symlink_to("a.jpg")
    (tmp_path / "c.jpg").symlink_to("gone.jpg")
    for name in ("a.jpg", "c.jpg"):
        with pytest.raises(OSError, match=name):
            read_image_file(tmp_path / name)
