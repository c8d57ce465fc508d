"""A run request: from the command line, in its file and back to the command line, and what is refused."""

import json
import re
import subprocess
import sys
from dataclasses import fields, replace

import pytest
from support.cvat_stand_in import FakeJob, FakeLabel, FakeTask, picture

from preannotate.cli import run as run_command
from preannotate.cli.command import COULD_NOT_RUN
from preannotate.cli.main import main, parser
from preannotate.cvat.connection import connect
from preannotate.cvat.login import Login
from preannotate.pipeline.errors import PipelineError, RunRequestError
from preannotate.pipeline.run_request import (
    RunRequest,
    name_for,
    read_run_request,
    run_request_from_json,
    slug,
    to_keep,
    write_run_request,
)
from preannotate.registry.publication import Deploy
from preannotate.registry.workspace import Workspace

EVERYTHING = RunRequest(
    cvat="https://cvat.example.org",
    user="ann",
    organization="",
    insecure=True,
    name="forklifts",
    tasks=(12, 13),
    projects=(3,),
    jobs=(40,),
    completed_jobs=True,
    include_auto=True,
    accept_completed=True,
    model="frcnn-resnet50",
    arguments="epochs=4,\nbatch_size=8 # small",
    base_model="previous",
    self_training=True,
    deploy=Deploy.NUCTL,
    deploy_arguments="gpu --no-pull -- --env A=1",
    annotate_rest=True,
    only_if_better=True,
    kubernetes="image=i,claim=c",
    restart=True,
    wait_seconds=90.0,
)


@pytest.fixture
def parse(monkeypatch):
    """The request that `preannotate run` makes of its arguments, and whether it repeats a run."""

    def parsed(*argv):
        found = []
        monkeypatch.setattr(
            "preannotate.jobs.run_command.run",
            lambda folder, request, *, repeats, notify: found.append((request, repeats)) or 0,
        )
        arguments = parser().parse_args(["run", *argv])
        assert run_command.COMMAND.run(arguments) == 0
        return found[0]

    return parsed


@pytest.mark.parametrize(
    "request_", [EVERYTHING, RunRequest(name="pets", tasks=(1,)), RunRequest(profile="home", projects=(2,))]
)
def test_from_the_command_line_to_the_file_and_back(parse, tmp_path, request_):
    assert parse(*request_.to_argv()) == (request_, False)
    write_run_request(tmp_path / "run_request.json", request_)
    assert read_run_request(tmp_path / "run_request.json") == request_
    assert json.loads((tmp_path / "run_request.json").read_text())["format"] == 1


def test_the_example_has_another_value_than_the_default_in_each_field():
    plain = RunRequest()
    same = [field.name for field in fields(plain) if getattr(plain, field.name) == getattr(EVERYTHING, field.name)]

    assert same == ["profile"]  # which stands in place of address and user


def test_what_has_its_default_is_not_on_the_command_line():
    assert RunRequest(name="forklifts", tasks=(12,)).to_argv() == ["--name", "forklifts", "--task", "12"]


def test_a_command_line_that_names_tasks_is_complete_in_itself(parse, tmp_path):
    keep(tmp_path, RunRequest(tasks=(1,), model="frcnn-resnet50", annotate_rest=True))
    request, repeats = parse("--workspace", str(tmp_path), "--name", "pets", "--task", "12", "--arguments", "epochs=3")

    assert (request, repeats) == (RunRequest(name="pets", tasks=(12,), arguments="epochs=3"), False)


def test_one_that_names_none_repeats_the_last_run_with_what_it_changes(parse, tmp_path):
    kept = RunRequest(cvat="http://cvat", name="pets", tasks=(12,), arguments="epochs=3", insecure=True)
    keep(tmp_path, kept)
    request, repeats = parse("--workspace", str(tmp_path), "--name", "pets", "--arguments", "epochs=9")

    assert (request, repeats) == (replace(kept, arguments="epochs=9"), True)


def keep(workspace, request):
    write_run_request(workspace / "models" / "pets" / "run_request.json", request)


def test_what_is_done_with_one_version_is_not_kept_when_a_run_is_repeated():
    kept = RunRequest(tasks=(12,))
    request = replace(kept, arguments="epochs=9", only_if_better=True, restart=True, wait_seconds=1.0)

    assert to_keep(kept, request, repeats=True) == RunRequest(tasks=(12,), arguments="epochs=9")
    assert to_keep(kept, request, repeats=False) == RunRequest(tasks=(12,), arguments="epochs=9", only_if_better=True)


def test_a_file_of_weights_is_found_from_anywhere(tmp_path, monkeypatch):
    (tmp_path / "mine.h5").touch()
    monkeypatch.chdir(tmp_path)

    assert RunRequest(tasks=(1,), base_model="mine.h5").checked().base_model == str(tmp_path / "mine.h5")
    assert RunRequest(tasks=(1,), base_model="none").checked().base_model == "none"


@pytest.mark.parametrize(
    "content", ['{"format": 2}', '{"format": 1, "password": "x"}', "[]", '{"format": 1, "deploy": "ftp"}']
)
def test_another_file_in_its_place(tmp_path, content):
    path = tmp_path / "run_request.json"
    path.write_text(content)

    with pytest.raises(PipelineError, match=re.escape(f"{path}: ")):
        read_run_request(path)
    assert read_run_request(tmp_path / "other.json") is None


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        ("name", "../outside", "expected 1 to 52 lower-case letters"),
        ("tasks", (0,), "0; expected a whole number from 1 on."),
        ("projects", ("3 --restart",), "'3 --restart'; expected a whole number from 1 on."),
        ("jobs", (True,), "True; expected a whole number from 1 on."),
        ("model", "--restart", "'--restart'; expected the name of a model, or a path."),
        ("base_model", "runs/none", "'runs/none' not found; expected a file of weights or the folder of a run."),
        ("wait_seconds", -1.0, "-1; expected a number from 0 on."),
    ],
)
def test_an_impossible_value_names_its_field(field, value, problem):
    with pytest.raises(RunRequestError, match=re.escape(problem)) as caught:
        replace(RunRequest(tasks=(1,)), **{field: value}).checked()

    assert caught.value.field == field
    assert problem in caught.value.problem


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ((), "run: nothing to train on; expected --task, --project or --job with a number, or --name of an existing "
             "model."),
        (("--name", "Boards"), "--name: 'Boards'; expected 1 to 52 lower-case letters, digits and hyphens, with no "
                               "hyphen at either end. Choose another name."),
        (("--task", "1", "--arguments", "batch_size=0"), "arguments: batch_size=0; expected a whole number from 1 to "
                                                         "1024, or auto."),
        (("--task", "1", "--wait", "-1"), "--wait: -1; expected a number from 0 on."),
        (("--task", "0"), "--task: 0; expected a whole number from 1 on."),
        (("--task", "1", "--base-model", "runs/none"), "--base-model: 'runs/none' not found; expected a file of "
                                                       "weights or the folder of a run."),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_before_cvat_is_asked(tmp_path, monkeypatch, capsys, options, sentence):
    monkeypatch.chdir(tmp_path)

    assert main(["run", *options]) == COULD_NOT_RUN
    assert capsys.readouterr().err == f"error: {sentence}\n"
    assert list(tmp_path.iterdir()) == []


def test_no_secret_is_kept():
    names = {field.name for field in fields(RunRequest)}

    assert not {name for name in names if any(word in name for word in ("pass", "token", "secret", "key"))}
    with pytest.raises(ValueError, match="unknown field 'password'"):
        run_request_from_json({"password": "x"})


def test_it_is_light():
    code = (
        "import sys, preannotate.pipeline.run_request; "
        "print([name for name in ('numpy', 'tensorflow', 'cvat_sdk', 'PIL', 'openvino') if name in sys.modules])"
    )

    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"


@pytest.fixture
def name(cvat, tmp_path):
    """The name for a task called so, kept as a run keeps it."""
    server = connect(Login(url=cvat.url))
    workspace = Workspace(tmp_path)

    def of(title, keep=True, **asked):
        asked = RunRequest(cvat=cvat.url, **(asked or {"tasks": (12,)}))
        for number in (12, 13):
            cvat.add(FakeTask(number, [("a.png", picture(1))], [FakeLabel(1, "cat")], [FakeJob(40, 0, 0)], name=title))
        found = name_for(server, workspace, asked)
        if keep:
            write_run_request(workspace.model(found).run_request, asked)
        return found

    return of


@pytest.mark.parametrize(
    ("title", "plain"),
    [
        ("Boards", "boards"),
        ("  Yard (north), 2026/11 ", "yard-north-2026-11"),
        ("Kätzchen", "katzchen"),
        ("板", "task-12"),
        ("", "task-12"),
        ("Dashboard", "dashboard-12"),
        ("boards-gpu", "boards-gpu-12"),
        ("x" * 99, "x" * 40),
    ],
)
def test_the_name_of_the_task_as_nuclio_takes_it(name, title, plain):
    assert name(title) == plain


def test_the_same_task_again_is_the_same_model(name):
    assert [name("Boards"), name("Boards")] == ["boards", "boards"]


def test_another_task_of_that_name_is_another_model(name):
    assert [name("Boards"), name("Boards", tasks=(13,)), name("Boards", tasks=(13,))] == [
        "boards",
        "boards-13",
        "boards-13",
    ]


def test_the_name_of_the_task_of_a_job_and_of_a_project(name, cvat):
    cvat.projects.append(3)

    assert name("Boards", jobs=(40,)) == "boards"
    assert name("Boards", projects=(3,)) == "a-project"


def test_no_name_is_left(name, tmp_path):
    name("Boards")
    name("Boards", tasks=(12, 13))

    with pytest.raises(PipelineError) as caught:
        name("Boards", tasks=(12, 13, 14))

    assert str(caught.value) == (
        f"{tmp_path}: 'boards' and 'boards-12' are models of other tasks; expected a free name. "
        f"Choose one with --name, or continue one of these models with --name."
    )


def test_what_is_no_letter_goes():
    assert slug("--a__b--") == "a-b"


def test_arguments_of_deploy_sh_belong_to_nuctl(parse, tmp_path):
    kept = RunRequest(name="pets", tasks=(12,), deploy=Deploy.NUCTL, deploy_arguments="gpu")
    keep(tmp_path, kept)
    request, _ = parse("--workspace", str(tmp_path), "--name", "pets", "--deploy", "serve")
    assert (request.deploy, request.deploy_arguments) == (Deploy.SERVE, "")

    assert kept.checked() == kept
    for wrong, sentence in (
        (replace(kept, deploy=Deploy.SERVE), "--deploy-arguments: 'gpu'; expected them with --deploy nuctl."),
        (replace(kept, deploy_arguments="--dry-run"), "--deploy-arguments: '--dry-run'; expected some of: cpu, gpu, "),
    ):
        with pytest.raises(RunRequestError, match=re.escape(sentence)):
            wrong.checked()


@pytest.mark.parametrize(
    ("self_training", "arguments", "expected"),
    [
        (True, "", True),
        (True, "max_minutes=20", True),
        (True, "max_minutes=2", False),
        (False, "", False),
    ],
)
def test_frames_without_annotations_are_of_use_only_where_there_is_time(self_training, arguments, expected):
    assert RunRequest(self_training=self_training, arguments=arguments).trains_on_unlabelled == expected
