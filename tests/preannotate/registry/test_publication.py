"""`--deploy nuctl` runs the project's own deploy.sh, and its error reaches the user."""

from pathlib import Path

import pytest

import builder
from preannotate.registry import publication
from preannotate.registry.publication import DEPLOYMENTS, deploy_function
from preannotate.registry.workspace import WorkspaceError

SCRIPT = """#!/bin/sh
echo "$@" >> "$0.calls"
if [ "$1" = cpu ] && [ -e "$0.fails" ]; then
  echo "boards: docker is not running" >&2
  exit 1
fi
"""


@pytest.fixture
def script(tmp_path, monkeypatch):
    path = tmp_path / "deploy.sh"
    path.write_text(SCRIPT)
    monkeypatch.setattr(publication, "SCRIPT", path)
    return path


def test_the_function_is_deployed_and_deleted(script, tmp_path):
    deploy_function(tmp_path / "functions" / "boards", "nuctl")
    publication._run_script("delete", "boards")

    assert script.with_name("deploy.sh.calls").read_text() == f"cpu {tmp_path}/functions/boards\ndelete boards\n"


def test_what_deploy_sh_says_is_the_sentence(script, tmp_path):
    script.with_name("deploy.sh.fails").touch()

    with pytest.raises(WorkspaceError) as caught:
        deploy_function(tmp_path / "boards", "nuctl")

    assert str(caught.value) == (
        f"deploy.sh cpu {tmp_path}/boards: exit code 1 (boards: docker is not running); expected exit code 0. "
        f"Fix that and run the same command again."
    )


def test_the_script_is_a_part_of_the_package_and_runs(tmp_path):
    assert publication.SCRIPT.parents[1] == Path(builder.__file__).parent
    assert set(DEPLOYMENTS) == {"serve", "nuctl"}
    with pytest.raises(WorkspaceError, match=r"no such directory; expected function directories in it"):
        deploy_function(tmp_path / "nowhere", "nuctl")
