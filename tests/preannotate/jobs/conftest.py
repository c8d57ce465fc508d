"""A model that was run once against a stand-in of CVAT, and a fake `run`."""

import importlib.util
import sys
from pathlib import Path

import pytest

pytest.importorskip("cvat_sdk", reason="cvat-sdk is not installed")
pytest.importorskip("uvicorn", reason="uvicorn is not installed")

from support import cvat_stand_in as stand_in


def _load(name, path):
    """With --import-mode=importlib a test cannot import its neighbours by name."""
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


hooked = _load("cvat_with_webhooks", Path(__file__).with_name("cvat_with_webhooks.py"))
fake = _load("watch_fake_run", Path(__file__).with_name("fake_run.py"))


@pytest.fixture(autouse=True)
def nothing_of_this_machine(no_logins, monkeypatch):
    monkeypatch.delenv("PREANNOTATE_CVAT_WEBHOOK_SECRET", raising=False)


@pytest.fixture(params=stand_in.VERSIONS)
def cvat(request, monkeypatch):
    """A server of each version with a login for it in the environment."""
    with stand_in.StandIn(request.param).running() as server:
        server.webhooks = hooked.Webhooks()
        server.pages.append(server.webhooks)
        if server.new:
            monkeypatch.setenv("CVAT_ACCESS_TOKEN", stand_in.TOKEN)
        else:
            monkeypatch.setenv("PASS", stand_in.PASSWORD)
        yield server


@pytest.fixture
def workspace(tmp_path, cvat):
    """Task 12 of project 3 with the jobs 40 and 41; `boards` was asked for, and not run yet."""
    return fake.asked_for(tmp_path / "workspace", cvat, tasks=[12])
