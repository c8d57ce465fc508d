"""`progress.json`: what others read while a run is at work and after it."""

import json

import pytest

from preannotate.pipeline.progress import Progress
from preannotate.registry.errors import LoopError


@pytest.fixture
def progress(tmp_path):
    return Progress.begin(tmp_path / "progress.json", ["pull", "train", "build"])


def read(progress):
    content = json.loads(progress.path.read_text())
    return [(stage["state"], stage["detail"]) for stage in content["stages"]], content["error"]


def test_what_runs_is_seen_while_it_runs(progress):
    progress.skip("pull", "nothing changed")
    with progress.running("train") as stage:
        progress.detail("train", "epoch 1 of 3")
        assert read(progress) == ([("skipped", "nothing changed"), ("running", "epoch 1 of 3"), ("waiting", "")], "")
        stage.detail = "3 epochs"

    assert read(progress) == ([("skipped", "nothing changed"), ("done", "3 epochs"), ("waiting", "")], "")
    assert Progress.read(progress.path) == progress


def test_a_failure_leaves_its_sentence_and_a_stop_none(progress):
    with pytest.raises(LoopError), progress.running("pull"):
        raise LoopError("no; expected yes.")
    assert read(progress)[1] == "no; expected yes."

    with pytest.raises(KeyboardInterrupt), progress.running("train"):
        raise KeyboardInterrupt
    states, error = read(progress)
    assert ([state for state, _ in states], error) == (["failed", "stopped", "waiting"], "")


def test_times_have_a_zone(progress):
    with progress.running("pull"):
        pass

    stage = json.loads(progress.path.read_text())["stages"][0]
    assert stage["began"].endswith("+00:00") and stage["ended"].endswith("+00:00")


def test_none_before_the_first_run(tmp_path):
    assert Progress.read(tmp_path / "progress.json") is None


@pytest.mark.parametrize("content", ["{", "{}", '{"stages": [{"nam": 1}], "version": 0, "error": "", "process": 1}'])
def test_a_damaged_file_is_a_sentence(tmp_path, content):
    path = tmp_path / "progress.json"
    path.write_text(content)

    with pytest.raises(LoopError, match=r"progress\.json: "):
        Progress.read(path)
