"""Fixtures for a conftest to import: stand-ins of CVAT, without this machine's own logins and proxies."""

import getpass
from collections.abc import Iterator

import pytest

from support.cvat_stand_in import PASSWORD, TOKEN, USER, VERSIONS, StandIn


@pytest.fixture(autouse=True)
def nothing_of_this_machine(no_logins: None) -> None:
    """See there."""


@pytest.fixture(params=VERSIONS)
def cvat(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    """A server of each version, and the environment holds a login that it accepts."""
    with StandIn(request.param).running() as server:
        if server.new:
            monkeypatch.setenv("CVAT_ACCESS_TOKEN", TOKEN)
        else:
            monkeypatch.setenv("PASS", PASSWORD)
            monkeypatch.setattr(getpass, "getuser", lambda: USER)
        yield server


@pytest.fixture
def newest(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    """The newer one only."""
    with StandIn().running() as server:
        monkeypatch.setenv("CVAT_ACCESS_TOKEN", TOKEN)
        yield server
