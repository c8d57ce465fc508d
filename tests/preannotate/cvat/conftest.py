"""A stand-in of each version, with nothing of this machine's own logins and proxies."""

import getpass
from collections.abc import Iterator

import pytest

pytest.importorskip("cvat_sdk", reason="cvat-sdk is not installed")

from support import cvat_stand_in as stand_in


@pytest.fixture(autouse=True)
def nothing_of_this_machine(no_logins: None) -> None:
    """See there."""


@pytest.fixture(params=stand_in.VERSIONS)
def cvat(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator["stand_in.StandIn"]:
    """A server of each version, and the environment holds a login that it accepts."""
    with stand_in.StandIn(request.param).running() as server:
        if server.new:
            monkeypatch.setenv("CVAT_ACCESS_TOKEN", stand_in.TOKEN)
        else:
            monkeypatch.setenv("PASS", stand_in.PASSWORD)
            monkeypatch.setattr(getpass, "getuser", lambda: stand_in.USER)
        yield server


@pytest.fixture
def newest(monkeypatch: pytest.MonkeyPatch) -> Iterator["stand_in.StandIn"]:
    """The newer one only."""
    with stand_in.StandIn().running() as server:
        monkeypatch.setenv("CVAT_ACCESS_TOKEN", stand_in.TOKEN)
        yield server
