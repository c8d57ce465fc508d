"""Folders are complete or absent."""

import re

import pytest

from preannotate.core.errors import FileError
from preannotate.core.files import new_directory


def write(draft, text):
    for part in ("a", "b"):
        (draft / part).mkdir()
        (draft / part / "file").write_text(text)


def test_parts_appear_at_the_end(tmp_path):
    target = tmp_path / "new" / "cats"
    with new_directory(target, ["a", "b"], overwrite=False) as draft:
        write(draft, "1")
        assert not target.exists()
        assert draft.name.startswith(".cats.")
    assert sorted(path.name for path in target.iterdir()) == ["a", "b"]
    assert list(target.parent.iterdir()) == [target]


def test_overwriting_replaces_the_parts_and_keeps_other_files(tmp_path):
    target = tmp_path / "cats"
    write_old = target / "a"
    write_old.mkdir(parents=True)
    (write_old / "old").write_text("old")
    (target / "README.md").write_text("mine")
    with new_directory(target, ["a", "b"], overwrite=True) as draft:
        write(draft, "2")
    assert [path.name for path in (target / "a").iterdir()] == ["file"]
    assert (target / "README.md").read_text() == "mine"
    assert list(tmp_path.iterdir()) == [target]


def test_a_failure_changes_nothing(tmp_path):
    target = tmp_path / "cats"
    (target / "a").mkdir(parents=True)
    with pytest.raises(KeyError), new_directory(target, ["a", "b"], overwrite=True) as draft:
        write(draft, "3")
        raise KeyError
    assert list(tmp_path.rglob("*")) == [target, target / "a"]


def test_a_part_that_is_there(tmp_path):
    (tmp_path / "cats" / "b").mkdir(parents=True)
    path = tmp_path / "cats" / "b"
    sentence = f"{path}: exists; expected a new directory. Pass --overwrite to replace it."
    with (
        pytest.raises(FileError, match=f"^{re.escape(sentence)}$"),
        new_directory(tmp_path / "cats", ["a", "b"], overwrite=False),
    ):
        pytest.fail("the block must not run")


@pytest.mark.parametrize("target", ["taken", "taken/cats", "taken/new/cats"])
def test_a_file_where_a_folder_should_be(tmp_path, target):
    (tmp_path / "taken").write_text("a file")
    with (
        pytest.raises(FileError, match=rf"^{re.escape(str(tmp_path / target))}: .*; expected a writable place\."),
        new_directory(tmp_path / target, ["a"], overwrite=True),
    ):
        pytest.fail("the block must not run")
    assert (tmp_path / "taken").read_text() == "a file"
