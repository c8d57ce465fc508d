"""What a watch keeps between restarts."""

import re

import pytest

from preannotate.core.errors import FileError
from preannotate.jobs.errors import WatchError
from preannotate.jobs.retrain_policy import FailedRun, WatchState, read_watch_state, write_watch_state


def test_it_is_read_as_it_was_written(tmp_path):
    state = WatchState(3, {40: "a"}, {40: "a", 41: "b"}, 12.5, {41: "b"}, FailedRun({41: "b"}, 1.0, 2, True))
    write_watch_state(tmp_path / "watch.json", state)

    assert read_watch_state(tmp_path / "watch.json") == state


def test_there_is_none(tmp_path):
    assert read_watch_state(tmp_path / "watch.json") == WatchState()


@pytest.mark.parametrize("content", ["[]", '{"format": 2}', '{"format": 1, "version": 1}'])
def test_something_else(tmp_path, content):
    path = tmp_path / "watch.json"
    path.write_text(content)

    with pytest.raises(WatchError, match=re.escape(f"{path}: ")):
        read_watch_state(path)


def test_half_a_file(tmp_path):
    (tmp_path / "watch.json").write_text('{"format"')

    with pytest.raises(FileError, match="not JSON"):
        read_watch_state(tmp_path / "watch.json")
