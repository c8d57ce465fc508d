"""`--deploy nuctl` runs the project's own deploy.sh, and its error reaches the user."""

import re
from pathlib import Path

import pytest

import builder
from preannotate.registry import deploy_script
from preannotate.registry.deploy_script import DeployArguments
from preannotate.registry.publication import DEPLOYMENTS, deploy_function
from preannotate.registry.workspace import WorkspaceError

SCRIPT = """#!/bin/sh
echo "$@" >> "$0.calls"
if [ "$1" = cpu ] && [ -e "$0.fails" ]; then
  printf '\\033[34mnuctl\\033[0m building\\n'
  echo "boards: docker is not running" >&2
  [ -e "$0.table" ] && echo "boards  failed     -      It rained in."
  exit 1
fi
"""


@pytest.fixture
def script(tmp_path, monkeypatch):
    path = tmp_path / "deploy.sh"
    path.write_text(SCRIPT)
    monkeypatch.setattr(deploy_script, "SCRIPT", path)
    return path


def test_the_function_is_deployed_and_deleted(script, tmp_path):
    deploy_function(tmp_path / "functions" / "boards", "nuctl")
    DeployArguments().delete("boards")

    assert script.with_name("deploy.sh.calls").read_text() == f"cpu {tmp_path}/functions/boards\ndelete boards\n"


def test_what_deploy_sh_says_is_the_sentence(script, tmp_path):
    script.with_name("deploy.sh.fails").touch()

    with pytest.raises(WorkspaceError) as caught:
        deploy_function(tmp_path / "boards", "nuctl")

    assert str(caught.value) == (
        f"deploy.sh cpu {tmp_path}/boards: exit code 1 (nuctl building | boards: docker is not running); "
        f"expected exit code 0. Fix that and run the same command again."
    )


def test_the_script_is_a_part_of_the_package_and_runs(tmp_path):
    assert deploy_script.SCRIPT.parents[1] == Path(builder.__file__).parent
    assert set(DEPLOYMENTS) == {"serve", "nuctl"}
    with pytest.raises(WorkspaceError, match=r"no such directory; expected function directories in it"):
        deploy_function(tmp_path / "nowhere", "nuctl")


def test_the_cause_is_that_of_the_table_and_lines_appear_as_they_come(script, tmp_path, capsys):
    script.with_name("deploy.sh.fails").touch()
    script.with_name("deploy.sh.table").touch()

    with pytest.raises(WorkspaceError, match=r"exit code 1 \(It rained in\.\); expected"):
        deploy_function(tmp_path / "boards", "nuctl")

    assert capsys.readouterr().err.splitlines()[0] == "nuctl building"


def test_arguments_reach_deploy_sh(script, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments = "gpu --wheels 'my wheels' --no-pull --port 31005 -- --env 'A=two words'"
    deploy_function(tmp_path / "boards", "nuctl", arguments)
    DeployArguments.parse(arguments).delete("boards")
    DeployArguments.parse("--platform kube --registry r").delete("boards")

    assert script.with_name("deploy.sh.calls").read_text().splitlines() == [
        f"gpu {tmp_path}/boards --wheels {tmp_path}/my wheels --no-pull --port 31005 -- --env A=two words",
        "delete boards-gpu",
        "delete boards --platform kube --registry r",
    ]
    parsed = DeployArguments.parse(arguments)
    assert DeployArguments.parse(str(parsed)) == parsed
    assert str(DeployArguments.parse("cpu")) == ""


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("functions/boards", "'functions/boards'; expected some of: cpu, gpu, --no-pull, "),
        ("gpu cpu", "'cpu'; expected"),
        ("--name other", "'--name'; expected"),
        ("--port", "'--port'; expected"),
        ("'gpu", '"\'gpu" (No closing quotation); expected arguments of deploy.sh. Close the quotes.'),
    ],
)
def test_other_arguments_are_refused(text, sentence):
    with pytest.raises(ValueError, match=re.escape(sentence)):
        DeployArguments.parse(text)
