"""A workspace with its queue; a model that was run once against a stand-in of CVAT, for watches."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("cvat_sdk", reason="cvat-sdk is not installed")
pytest.importorskip("uvicorn", reason="uvicorn is not installed")

from support import cvat_stand_in as stand_in
from support import watched_run
from support.cvat_stand_in_webhooks import Webhooks

from preannotate.jobs.database import Database
from preannotate.jobs.queue import RunQueue
from preannotate.pipeline.run_request import RunRequest
from preannotate.registry.workspace import Workspace


@pytest.fixture(autouse=True)
def nothing_of_this_machine(no_logins, monkeypatch):
    monkeypatch.delenv("PREANNOTATE_CVAT_WEBHOOK_SECRET", raising=False)
    monkeypatch.delenv("PREANNOTATE_RUN", raising=False)


@pytest.fixture(params=stand_in.VERSIONS)
def cvat(request, monkeypatch):
    """A server of each version with a login for it in the environment."""
    with stand_in.StandIn(request.param).running() as server:
        server.webhooks = Webhooks()
        server.pages.append(server.webhooks)
        if server.new:
            monkeypatch.setenv("CVAT_ACCESS_TOKEN", stand_in.TOKEN)
        else:
            monkeypatch.setenv("PASS", stand_in.PASSWORD)
        yield server


@pytest.fixture
def watched(tmp_path, cvat):
    """A workspace with task 12 of project 3 and the jobs 40 and 41; `boards` was requested, and not run yet."""
    return watched_run.requested(tmp_path / "workspace", cvat, tasks=(12,))


@pytest.fixture
def home(tmp_path: Path) -> Workspace:
    """An empty workspace."""
    return Workspace(tmp_path / "workspace")


@pytest.fixture
def queue(home: Workspace) -> Iterator[RunQueue]:
    database = Database(home.database)
    yield RunQueue(database, home)
    database.close()


@pytest.fixture
def training():
    """A request that can run; keywords replace fields."""
    plain = RunRequest(cvat="https://cvat.example.org", name="forklifts", tasks=(12,))
    return lambda **changes: replace(plain, **changes)
