"""Drafts of killed writers are removed, those of living ones are not; folders are exchanged at once."""

import errno
import fcntl
import os
import stat
import tempfile

import pytest
from support.killed import in_child

from preannotate.core import drafts
from preannotate.core.drafts import (
    clear_abandoned,
    draft_directory,
    put_directory_in_place,
    scratch_directory,
    working_directory,
)
from preannotate.core.files import replacing


def test_the_next_writer_removes_what_a_killed_one_left(tmp_path):
    def killed():
        with scratch_directory(tmp_path, ".extract-") as folder:
            (folder / "a").write_text("half")
            os._exit(9)

    assert in_child(killed)
    (left,) = tmp_path.iterdir()
    with scratch_directory(tmp_path, ".extract-") as folder:
        assert list(tmp_path.iterdir()) == [folder]
        assert folder.name != left.name
    assert not list(tmp_path.iterdir())


def test_the_next_build_removes_the_draft_of_another_that_was_killed(tmp_path):
    def killed():
        with draft_directory(tmp_path / "cats"):
            os._exit(9)

    assert in_child(killed)
    with draft_directory(tmp_path / "dogs") as draft:
        assert list(tmp_path.iterdir()) == [draft]


def test_working_directories_of_killed_processes_are_removed(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def killed():
        with working_directory() as folder:
            (folder / "a").write_text("half")
            os._exit(9)

    assert in_child(killed)
    (tmp_path / "preannotate-work-notes-of-ann").mkdir()
    with working_directory() as folder, working_directory() as other:
        assert {path.name for path in tmp_path.iterdir()} == {folder.name, other.name, "preannotate-work-notes-of-ann"}


def test_a_living_writer_keeps_its_draft(tmp_path):
    with draft_directory(tmp_path / "cats") as first, draft_directory(tmp_path / "cats") as second:
        clear_abandoned(tmp_path)
        assert first.is_dir()
        assert second.is_dir()


def test_drafts_are_told_apart_on_nfs_where_locks_of_folders_are_those_of_one_host(tmp_path, monkeypatch):
    lock = fcntl.flock

    def flock(descriptor, operation):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            return
        if fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
            raise OSError(errno.EBADF, "not open for writing")
        lock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", flock)

    def killed():
        with draft_directory(tmp_path / "cats"), replacing(tmp_path / "model.json"):
            os._exit(9)

    assert in_child(killed)
    with draft_directory(tmp_path / "dogs") as draft, replacing(tmp_path / "living.json") as living:
        clear_abandoned(tmp_path)
        assert set(tmp_path.iterdir()) == {draft, living}


def test_the_draft_of_a_writer_that_was_killed_before_it_had_a_lock(tmp_path):
    (tmp_path / ".cats.draft-abcdefgh").mkdir()
    clear_abandoned(tmp_path)
    assert not list(tmp_path.iterdir())


def test_temporary_files_of_killed_writers_are_removed_and_others_stay(tmp_path):
    def killed():
        with replacing(tmp_path / "a" / "model.json") as temporary:
            temporary.write_text("half")
            os._exit(9)

    assert in_child(killed)
    kept = [".settings", ".model.json.new", "model.json.1.12345678.new", ".draft-notes"]
    for name in kept:
        (tmp_path / "a" / name).write_text("mine")
    with replacing(tmp_path / "a" / "living.json") as living:
        clear_abandoned(tmp_path)
        assert living.exists()
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == sorted([*kept, "living.json"])


@pytest.mark.parametrize("exchange", [True, False])
def test_two_folders_change_places(tmp_path, exchange, monkeypatch):
    if not exchange:
        monkeypatch.setattr(drafts, "_exchange", lambda first, second: False)
    for name in ("draft", "target"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    put_directory_in_place(tmp_path / "draft", tmp_path / "target")
    assert (tmp_path / "target" / "file").read_text() == "draft"
    assert (tmp_path / "draft" / "file").read_text() == "target"
    assert len(list(tmp_path.iterdir())) == 2


def test_a_system_without_the_call(tmp_path, monkeypatch):
    monkeypatch.setattr(drafts, "_renameat2", lambda: None)
    assert not drafts._exchange(tmp_path / "a", tmp_path / "b")
