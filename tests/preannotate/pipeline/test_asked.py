"""What a run is asked for: on the command line, in `asked.json`, and both together."""

import json

import pytest

from preannotate.cli.command import COULD_NOT_RUN
from preannotate.cli.main import main
from preannotate.pipeline import run_request as asking
from preannotate.pipeline.run_request import Asked, merge, to_keep
from preannotate.registry.errors import WorkspaceError


def test_a_line_that_names_tasks_is_complete_in_itself():
    kept = Asked(tasks=(1,), model="frcnn-resnet50", annotate_rest=True)

    assert merge(kept, {"tasks": [12], "projects": [], "arguments": "epochs=3", "model": None}) == Asked(
        tasks=(12,), arguments="epochs=3"
    )


def test_a_line_that_names_none_repeats_with_what_it_says():
    kept = Asked(cvat="http://cvat", tasks=(12,), arguments="epochs=3", insecure=True)

    assert merge(kept, {"tasks": [], "arguments": "epochs=9", "insecure": None}) == Asked(
        cvat="http://cvat", tasks=(12,), arguments="epochs=9", insecure=True
    )


def test_nothing_is_asked_for():
    with pytest.raises(WorkspaceError) as caught:
        merge(None, {"tasks": []})

    assert str(caught.value) == (
        "run: nothing named; expected --task, --project or --job with a number, or --name of a model that was made "
        "before."
    )


def test_what_becomes_of_one_version_is_not_kept_when_a_run_is_repeated():
    kept, said = Asked(tasks=(12,)), {"tasks": [], "arguments": "epochs=9", "only_if_better": True}

    assert to_keep(kept, merge(kept, said), said) == Asked(tasks=(12,), arguments="epochs=9")
    named = {"tasks": [12], "only_if_better": True}
    assert to_keep(kept, merge(kept, named), named) == Asked(tasks=(12,), only_if_better=True)


def test_a_file_of_weights_is_found_from_anywhere(tmp_path, monkeypatch):
    (tmp_path / "mine.h5").touch()
    monkeypatch.chdir(tmp_path)

    assert merge(None, {"tasks": [1], "base_model": "mine.h5"}).base_model == str(tmp_path / "mine.h5")
    assert merge(None, {"tasks": [1], "base_model": "none"}).base_model == "none"


def test_it_comes_back_as_it_was_written(tmp_path):
    asked = Asked(cvat="http://cvat", organization="", tasks=(12, 13), deploy="none", annotate_rest=True)
    asking.write(tmp_path / "asked.json", asked)

    assert asking.read(tmp_path / "asked.json") == asked
    assert asking.read(tmp_path / "other.json") is None


@pytest.mark.parametrize("content", ['{"format": 2}', '{"format": 1, "password": "x"}', "[]"])
def test_another_file_in_its_place(tmp_path, content):
    path = tmp_path / "asked.json"
    path.write_text(content)

    with pytest.raises(WorkspaceError) as caught:
        asking.read(path)

    assert str(caught.value) == f"{path}: not what a run asks for; expected format 1. Name the tasks again."


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ((), "run: nothing named; expected --task, --project or --job with a number, or --name of a model that was "
             "made before."),
        (("--name", "Boards"), "--name: 'Boards'; expected 1 to 52 lower-case letters, digits and hyphens, with no "
                               "hyphen at either end. Choose another name."),
        (("--task", "1", "--arguments", "batch_size=0"), "arguments: batch_size=0; expected a whole number from 1 to "
                                                         "1024."),
        (("--task", "1", "--wait", "-1"), "--wait: -1; expected a number from 0 on. Choose another."),
        (("--task", "1", "--base-model", "runs/none"), "--base-model: 'runs/none' is not there; expected a file of "
                                                       "weights or the folder of a run."),
    ],
)  # fmt: skip
def test_what_cannot_be_is_said_before_cvat_is_asked(tmp_path, monkeypatch, capsys, options, sentence):
    monkeypatch.chdir(tmp_path)

    assert main(["run", *options]) == COULD_NOT_RUN
    assert capsys.readouterr().err == f"error: {sentence}\n"
    assert list(tmp_path.iterdir()) == [] or not (tmp_path / "workspace").exists()


def test_no_secret_is_kept(tmp_path):
    asking.write(tmp_path / "asked.json", Asked(user="ann", tasks=(12,)))

    names = set(json.loads((tmp_path / "asked.json").read_text()))
    assert not {name for name in names if any(word in name for word in ("pass", "token", "secret", "key"))}
