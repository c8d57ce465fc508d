"""A studio on an empty workspace, and a stand-in of each version of CVAT with lists."""

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("cvat_sdk", reason="cvat-sdk is not installed")

from support import cvat_stand_in as stand_in
from support import cvat_stand_in_lists as lists

from preannotate.registry.workspace import Workspace
from preannotate.studio import secrets


@pytest.fixture(autouse=True)
def nothing_of_this_machine(no_logins: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its keyring neither."""
    monkeypatch.setattr(secrets, "find_keyring", lambda: None)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "workspace")


@pytest.fixture
def studio(workspace: Workspace) -> Iterator:
    from preannotate.studio.services import Services

    opened = Services(workspace)
    yield opened
    opened.close()


@pytest.fixture(params=stand_in.VERSIONS)
def cvat(request: pytest.FixtureRequest) -> Iterator:
    """A server of each version."""
    with stand_in.StandIn(request.param).running() as server:
        server.pages.append(lists.Lists(server))
        yield server


@pytest.fixture
def newest() -> Iterator:
    """The newer one only."""
    with stand_in.StandIn().running() as server:
        server.pages.append(lists.Lists(server))
        yield server


@pytest.fixture
def login(request: pytest.FixtureRequest) -> dict[str, str]:
    """What `Servers.add` takes to log in to `cvat`: the older one has no access tokens."""
    if request.getfixturevalue("cvat").new:
        return {"token": stand_in.TOKEN}
    return {"user": stand_in.USER, "password": stand_in.PASSWORD}
