"""`--deploy nuctl` calls the project's own deploy.sh, and its words reach whoever asked."""

import pytest

from preannotate.registry import deployment
from preannotate.registry.deployment import DEPLOYMENTS, Nuctl
from preannotate.registry.errors import WorkspaceError

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
    path.chmod(0o755)
    monkeypatch.setattr(deployment, "SCRIPT", path)
    return path


def test_the_function_is_deployed_and_deleted(script, tmp_path):
    Nuctl().publish(tmp_path / "functions" / "boards")
    Nuctl().unpublish(tmp_path / "functions" / "boards")

    assert script.with_name("deploy.sh.calls").read_text() == f"cpu {tmp_path}/functions/boards\ndelete boards\n"


def test_what_deploy_sh_says_is_the_sentence(script, tmp_path):
    script.with_name("deploy.sh.fails").touch()

    with pytest.raises(WorkspaceError) as caught:
        Nuctl().publish(tmp_path / "boards")

    assert str(caught.value) == (
        f"deploy.sh cpu {tmp_path}/boards: exit code 1 (boards: docker is not running); expected exit code 0. "
        f"Fix that and run the same command again."
    )


def test_without_a_checkout_there_is_no_deploy_sh(tmp_path, monkeypatch):
    monkeypatch.setattr(deployment, "SCRIPT", tmp_path / "deploy.sh")

    with pytest.raises(WorkspaceError) as caught:
        Nuctl().publish(tmp_path / "boards")

    assert str(caught.value) == (
        f"{tmp_path}/deploy.sh: is not there; expected the deploy.sh of a checkout. Run from a checkout, or deploy "
        f"with serve."
    )


def test_the_script_is_the_projects_own():
    assert deployment.SCRIPT.is_file()
    assert set(DEPLOYMENTS) == {"serve", "nuctl"}
