import re

import pytest

from preannotate.core.errors import FileError
from preannotate.core.files import check_new_file, replacing


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
