import os
import re

import pytest

from preannotate.core.errors import FileError
from preannotate.core.files import check_new_file, link_or_copy, read_json, read_limited, replacing, sync_all


def test_a_file_appears_whole_or_not_at_all(tmp_path):
    path = tmp_path / "out.txt"
    path.write_text("old")

    with pytest.raises(KeyError), replacing(path) as temporary:
        temporary.write_text("half")
        raise KeyError
    assert path.read_text() == "old"

    with replacing(path) as temporary:
        temporary.write_text("new")
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_is_never_replaced(tmp_path):
    with pytest.raises(
        FileError,
        match=re.escape(f"{tmp_path}: is a folder; expected the name of a file to write. Name a file in it."),
    ):
        check_new_file(tmp_path, overwrite=True)


def test_a_place_that_cannot_be_written_to_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    path = tmp_path / "file" / "out.json"

    with pytest.raises(
        FileError, match=re.escape(f"{path}: File exists; expected a writable place. Choose another one.")
    ):
        check_new_file(path, overwrite=False)
    with (
        pytest.raises(
            FileError,
            match=re.escape(f"{path}: File exists; expected a writable place. Choose another one."),
        ),
        replacing(path) as temporary,
    ):
        temporary.write_text("")


def test_a_file_is_linked_or_copied_and_replaced(tmp_path, monkeypatch):
    source, target = tmp_path / "source.jpg", tmp_path / "new" / "target.jpg"
    source.write_bytes(b"new")
    target.parent.mkdir()
    target.write_bytes(b"old")
    for _ in range(2):  # the second time both are one file already
        link_or_copy(source, target)
        assert target.stat().st_ino == source.stat().st_ino

    def no_link(*_):
        raise OSError("links are not supported")

    monkeypatch.setattr("os.link", no_link)
    link_or_copy(source, target)

    assert target.read_bytes() == b"new"
    assert target.stat().st_ino != source.stat().st_ino
    assert list(target.parent.iterdir()) == [target]
    sync_all([source, target])


def test_a_copy_that_finds_no_room_leaves_nothing(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.link", full)
    monkeypatch.setattr("shutil.copyfile", full)
    (tmp_path / "source").touch()

    with pytest.raises(FileError, match="No space left on device"):
        link_or_copy(tmp_path / "source", tmp_path / "new" / "target")
    assert list((tmp_path / "new").iterdir()) == []


def test_json_that_is_too_deep_is_named(tmp_path):
    (tmp_path / "a.json").write_text("[" * 100_000)
    with pytest.raises(FileError, match=r"a\.json: not JSON \("):
        read_json(tmp_path / "a.json")


def test_a_pipe_is_no_json_and_holds_nobody_up(tmp_path):
    os.mkfifo(tmp_path / "a.json")

    with pytest.raises(FileError, match="is no file; expected a JSON file"):
        read_json(tmp_path / "a.json")


def test_a_file_is_read_up_to_its_limit_and_a_pipe_never(tmp_path):
    (tmp_path / "a").write_bytes(bytes(1024**2))
    os.mkfifo(tmp_path / "pipe")

    assert len(read_limited(tmp_path / "a", 1024**2)) == 1024**2
    with pytest.raises(ValueError, match=r"^more than 0 MiB$"):
        read_limited(tmp_path / "a", 1024**2 - 1)
    for path in (tmp_path / "pipe", tmp_path, tmp_path / "missing"):
        with pytest.raises(ValueError, match=r"^is no file$"):
            read_limited(path, 10)
