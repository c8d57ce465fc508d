"""How far a piece of work is: what others read while it is going on and after it."""

import json
import re

import pytest

from preannotate.core.errors import FileError
from preannotate.core.progress import Progress, ProgressBar, ProgressWriter, Stage, State, read_progress


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "progress.json"


@pytest.fixture
def writer(path, clock):
    return ProgressWriter(path, ["pull", "train", "build"], clock=clock)


def states(path):
    return [(str(stage.state), stage.detail) for stage in read_progress(path).stages]


def test_what_runs_is_seen_while_it_runs(writer, path, clock):
    writer.skip("pull", "nothing changed")
    with writer.running("train"):
        clock.now += 1
        writer.update("train", detail="epoch 1 of 3", done=0.25, total=3, unit="epoch", seconds_left=60.0)
        assert states(path) == [("skipped", "nothing changed"), ("running", "epoch 1 of 3"), ("waiting", "")]
        assert read_progress(path).stage("train").seconds_left == 60.0

    writer.set_version(2)
    assert states(path) == [("skipped", "nothing changed"), ("done", "epoch 1 of 3"), ("waiting", "")]
    assert read_progress(path) == writer.progress
    assert (read_progress(path).version, read_progress(path).failed_stage) == (2, None)
    assert writer["train"].seconds_left is None


def test_a_failure_leaves_its_sentence_and_a_stop_none(writer, path):
    with pytest.raises(FileError), writer.running("pull"):
        raise FileError("no; expected yes.")
    assert (read_progress(path).error, read_progress(path).failed_stage) == ("no; expected yes.", "pull")

    with pytest.raises(KeyboardInterrupt), writer.running("train"):
        raise KeyboardInterrupt
    assert [state for state, _ in states(path)] == ["failed", "stopped", "waiting"]
    assert read_progress(path).error == ""


def test_a_count_is_written_once_a_second_and_a_state_at_once(writer, path, clock):
    writer.update("pull", done=1, total=400, unit="image")
    assert read_progress(path).stage("pull").done is None
    clock.now += 1
    writer.update("pull", done=2)
    assert read_progress(path).stage("pull").count == "2 of 400 images"
    writer.update("pull", done=3)
    assert read_progress(path).stage("pull").done == 2
    writer.skip("train", "why not")
    assert read_progress(path).stage("pull").done == 3


def test_times_have_a_zone(writer, path):
    with writer.running("pull"):
        assert read_progress(path).stage("pull").ended is None

    stage = json.loads(path.read_text())["stages"][0]
    assert stage["started"].endswith("+00:00")
    assert stage["ended"].endswith("+00:00")


def test_a_file_that_cannot_be_written_does_not_end_the_work(tmp_path):
    (tmp_path / "folder").write_text("no folder")

    with ProgressWriter(tmp_path / "folder" / "progress.json", ["pull"]).running("pull"):
        pass


def test_none_before_the_first_run(path):
    assert read_progress(path) is None


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "{}",
        "[]",
        '{"format": 2, "version": null, "error": "", "stages": []}',
        '{"format": 1, "version": null, "error": "", "stages": [{"nam": 1}]}',
        '{"format": 1, "version": null, "error": "", "stages": '
        '[{"name": "a", "state": "new", "done": null, "total": null, "seconds_left": null}]}',
        '{"format": 1, "version": null, "error": "", "stages": '
        '[{"name": "a", "state": "done", "done": "x", "total": null, "seconds_left": null}]}',
    ],
)
def test_a_damaged_file_is_a_sentence(path, content):
    path.write_text(content)

    with pytest.raises(FileError, match=re.escape(f"{path}: ")):
        read_progress(path)


def test_fractions():
    assert Stage("train").fraction == 0.0
    assert Stage("train", State.RUNNING, done=1.5, total=6).fraction == 0.25
    assert Stage("train", State.RUNNING, done=7, total=6).fraction == 1.0
    assert Stage("train", State.SKIPPED).fraction == 1.0


def test_a_killed_process_leaves_a_stage_that_ended_with_it():
    progress = Progress((Stage("pull", State.DONE), Stage("train", State.RUNNING), Stage("build")))

    assert [stage.state for stage in progress.ended_as(State.STOPPED).stages] == ["done", "stopped", "waiting"]


def test_a_program_reads_how_far_a_command_is(path, tmp_path, monkeypatch):
    monkeypatch.setenv("PREANNOTATE_PROGRESS", str(path))
    with ProgressBar(3, "frame") as bar:
        (stage,) = read_progress(path).stages
        assert (stage.state, stage.count) == ("running", "0 of 3 frames")
        bar.update()

    (stage,) = read_progress(path).stages
    assert (stage.state, stage.count) == ("done", "1 of 3 frames")
    assert [file.name for file in tmp_path.iterdir()] == ["progress.json"]


def test_nobody_watches(tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("PREANNOTATE_PROGRESS", raising=False)
    monkeypatch.chdir(tmp_path)
    with ProgressBar(3, "frame", "frames") as bar:
        bar.update()

    assert (list(tmp_path.iterdir()), capsys.readouterr().err) == ([], "")
