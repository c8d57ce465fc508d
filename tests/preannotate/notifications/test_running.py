"""`preannotate run --notify`, with a fake in place of the run."""

import json

import pytest

from preannotate.cli.command import COULD_NOT_RUN
from preannotate.cli.main import main
from preannotate.notifications import NotifyError
from preannotate.pipeline.notified_run import run
from preannotate.pipeline.progress import STAGES, Progress
from preannotate.registry.errors import WorkspaceError
from preannotate.registry.workspace import Workspace, write_json


@pytest.fixture
def told(receiver, monkeypatch):
    monkeypatch.setenv("PREANNOTATE_WEBHOOK_URL", receiver.url)
    return lambda: [(body["title"], body["message"], body["link"]) for body in map(json.loads, receiver.bodies)]


@pytest.fixture
def model(tmp_path):
    found = Workspace(tmp_path).model("boards")
    write_json(found.asked, {"format": 1, "cvat": "https://cvat.example.org/", "tasks": [12]})
    return found


def test_a_run_that_is_done_is_told(told, model, tmp_path):
    def command():
        Progress.begin(model.progress, STAGES)
        return 0

    assert run(command, Workspace(tmp_path)) == 0
    assert told() == [("boards: the run is done", "It made no new version.", "https://cvat.example.org/models")]


def test_a_run_that_failed_is_told(told, model, tmp_path):
    def command():
        with Progress.begin(model.progress, STAGES).running("pull"):
            raise WorkspaceError("CVAT: away; expected it.")

    with pytest.raises(WorkspaceError):
        run(command, Workspace(tmp_path))
    assert told() == [("boards: the run failed", "CVAT: away; expected it.", "https://cvat.example.org/models")]


def test_a_run_that_failed_before_it_had_a_name_is_told(told, model, tmp_path):
    write_json(model.progress, {"format": 1, "process": 1, "version": 0, "stages": [], "error": "of another"})

    def command():
        raise WorkspaceError("no login; expected one.")

    with pytest.raises(WorkspaceError):
        run(command, Workspace(tmp_path))
    assert told() == [("Preannotate: the run failed", "no login; expected one.", "")]


def test_who_stops_a_run_is_not_told(told, tmp_path):
    def command():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(command, Workspace(tmp_path))
    assert told() == []


def test_nobody_to_tell_is_said_before_anything_is_done(tmp_path):
    with pytest.raises(NotifyError, match="nobody to tell"):
        run(lambda: pytest.fail("ran"), Workspace(tmp_path))


def test_the_flag_of_the_command(told, tmp_path, capsys):
    workspace = str(tmp_path / "w")

    assert main(["run", "--workspace", workspace, "--name", "boards", "--notify"]) == COULD_NOT_RUN
    assert "run: nothing named" in capsys.readouterr().err
    assert told()[0][0] == "boards: the run failed"
