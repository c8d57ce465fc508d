"""After a kill at any moment, the folder of a published function and the history of its model agree."""

import errno
import json
import os

import pytest
from support.killed import in_child, killed_at_each_step, start_child

from preannotate.core import drafts
from preannotate.registry import journal, publication
from preannotate.registry.workspace import Workspace

NAME = "boards"


@pytest.fixture
def workspace(tmp_path):
    found = Workspace(tmp_path)
    for number in (1, 2):
        version = found.model(NAME).version(number)
        (version.function / "nuclio").mkdir(parents=True)
        for part in ("model.json", "model.bin", "main.py"):
            (version.function / "nuclio" / part).write_text(f"{number}")
        version.record_file.write_text("{}")
    return found


def in_place(workspace):
    """The version that each file of the published function is of; None if there is no folder."""
    folder = workspace.functions / NAME / "nuclio"
    return {path.read_text() for path in folder.iterdir()} if folder.is_dir() else None


def recorded(workspace):
    """The version of the last entry of the file itself, as whoever opens it sees it."""
    entries = json.loads((workspace.path / "models" / NAME / "published.json").read_text())
    return entries[-1]["version"]


def check_agreement(workspace):
    now = publication.published_version(workspace.model(NAME))
    assert in_place(workspace) == (None if now is None else {str(now)})
    assert recorded(workspace) == now
    return now


@pytest.mark.parametrize("exchange", [True, False])
def test_a_kill_at_any_step_of_publishing(workspace, exchange, monkeypatch):
    if not exchange:  # a file system without it
        monkeypatch.setattr(drafts, "_exchange", lambda first, second: False)
    publication.publish(workspace, NAME, 1)
    found = set()
    for _ in killed_at_each_step(lambda: publication.publish(workspace, NAME, 2)):
        found.add(check_agreement(workspace))
        with workspace.model(NAME).locked():
            assert sorted(path.name for path in workspace.functions.iterdir()) == [NAME], "a draft was left"
        publication.publish(workspace, NAME, 1)
    assert found == {1, 2}


def test_a_kill_at_any_step_of_the_first_publication(workspace):
    for _ in killed_at_each_step(lambda: publication.publish(workspace, NAME, 2)):
        if publication.published_version(workspace.model(NAME)) is None:
            assert in_place(workspace) is None
        else:
            check_agreement(workspace)
            publication.unpublish(workspace, NAME)


def test_a_kill_at_any_step_of_unpublishing(workspace):
    publication.publish(workspace, NAME, 1)
    found = set()
    for _ in killed_at_each_step(lambda: publication.unpublish(workspace, NAME)):
        found.add(check_agreement(workspace))
        publication.publish(workspace, NAME, 1)
    assert found == {1, None}


def test_a_kill_at_any_step_of_rolling_back(workspace):
    publication.publish(workspace, NAME, 1)
    publication.publish(workspace, NAME, 2)
    found = set()
    for _ in killed_at_each_step(lambda: publication.roll_back(workspace, NAME)):
        found.add(check_agreement(workspace))
        publication.publish(workspace, NAME, 2)
    assert found == {1, 2}


def test_two_publications_at_once_are_never_mixed(workspace):
    for _ in range(12):
        children = [
            start_child(lambda number=number: publication.publish(workspace, NAME, number)) for number in (1, 2)
        ]
        assert [os.waitpid(pid, 0)[1] for pid in children] == [0, 0]
        assert check_agreement(workspace) in (1, 2)


def test_a_damaged_note_is_no_publication(workspace):
    publication.publish(workspace, NAME, 1)
    note = workspace.model(NAME).path / "publishing.json"
    note.write_text('{"inode":')
    assert check_agreement(workspace) == 1
    assert not note.exists()


def test_a_reader_knows_what_is_in_place_while_another_process_publishes(workspace, monkeypatch):
    publication.publish(workspace, NAME, 1)
    model = workspace.model(NAME)
    seen = []
    put_in_place = drafts.put_directory_in_place

    def and_read(draft, target):
        put_in_place(draft, target)
        seen.append(publication.published_version(model))

    monkeypatch.setattr(journal, "put_directory_in_place", and_read)
    publication.publish(workspace, NAME, 2)
    assert seen == [2]


def test_a_failed_rename_leaves_what_was_published(workspace, monkeypatch):
    publication.publish(workspace, NAME, 1)

    def refused(draft, target):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(journal, "put_directory_in_place", refused)
    with pytest.raises(OSError, match="Input/output error"):
        publication.publish(workspace, NAME, 2)
    assert check_agreement(workspace) == 1


def test_drafts_of_killed_builds_are_removed_with_the_lock(workspace):
    folder = workspace.model(NAME).version(3).function.parent
    folder.mkdir(parents=True)

    def build():
        with drafts.draft_directory(folder / NAME) as draft:
            (draft / "nuclio").mkdir()
            os._exit(9)

    assert in_child(build)
    assert len(list(folder.iterdir())) == 1
    with workspace.model(NAME).locked():
        assert not list(folder.iterdir())
