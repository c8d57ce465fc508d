"""The pages on the real core, with a CVAT of each version on loopback; nothing is started."""

import importlib.util
import re
import sys
from html import unescape
from pathlib import Path

import pytest

pytest.importorskip("cvat_sdk", reason="cvat-sdk is not installed")
pytest.importorskip("uvicorn", reason="uvicorn is not installed")

from preannotate.registry.workspace import Workspace
from preannotate.studio import secrets
from preannotate.studio.services import Services
from preannotate.studio.web.app import make_app

if "studio_example" not in sys.modules:
    _spec = importlib.util.spec_from_file_location("studio_example", Path(__file__).with_name("example.py"))
    sys.modules["studio_example"] = importlib.util.module_from_spec(_spec)
    _spec.loader.exec_module(sys.modules["studio_example"])
example = sys.modules["studio_example"]
stand_in = example.stand_in


@pytest.fixture(params=stand_in.VERSIONS)
def cvat(request):
    with example.cvat(request.param) as server:
        yield server


@pytest.fixture
def studio(tmp_path, monkeypatch):
    monkeypatch.setattr(secrets, "find_keyring", lambda: None)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for name in ("CVAT_ACCESS_TOKEN", "PASS"):
        monkeypatch.delenv(name, raising=False)
    from preannotate.cvat import requests

    monkeypatch.setattr(requests, "FIRST_WAIT_SECONDS", 0.0)
    opened = Services(Workspace(tmp_path / "workspace"))
    yield opened
    opened.close()


@pytest.fixture
def person(studio, new_browser):
    return new_browser(make_app(studio, example.ACCESS))


def login(cvat):
    if cvat.new:
        return {"way": "token", "token": stand_in.TOKEN}
    return {"way": "password", "user": stand_in.USER, "password": stand_in.PASSWORD}


def words(answer):
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", answer.text)))


def test_from_a_login_to_an_order(studio, cvat, person):
    assert "Which images should it learn from?" in words(
        person.send("/servers/add", {"url": cvat.url, "then": "new"} | login(cvat))
    )
    assert "Workbench, first camera" in words(person.page)
    assert "gear 23" in words(person.get("/servers/1/tasks/12/boxes"))
    assert person.get("/servers/1/tasks/12/preview").headers["content-type"] == "image/jpeg"
    assert "85 boxes on 22 frames." in words(person.get("/new/model?server=1&task=12"))
    assert "There is nothing to learn from yet" in words(person.get("/new/model?server=1&task=14"))
    page = person.get("/new/start?server=1&task=12&task=13&model=ssd-mobilenet-v2")
    fields = dict(re.findall(r'name="(a-\w+)"[^>]* value="([^"]*)"', page.text))
    assert fields["a-epochs"] == "194"  # 6000 images shown, 31 of 36 are trained on
    order = fields | {"server": "1", "task": ["12", "13"], "model": "ssd-mobilenet-v2", "name": "workbench"}
    person.send("/new/start", order | {"machine": "cpu", "deploy": "none", "arguments": "seed=3"})
    run = studio.queue.get(1)

    assert "It is next: it starts as soon as the machine is free." in words(person.page)
    assert (run.state, run.order.tasks, run.order.arguments) == ("waiting", (12, 13), "seed=3")


def test_a_whole_project_is_taken(studio, cvat, person):
    person.send("/servers/add", {"url": cvat.url} | login(cvat))
    assert "Take the whole project" in words(person.get("/new/tasks?server=1&project=3"))
    assert "on 36 frames." in words(person.get("/new/model?server=1&whole=3"))
    order = {"server": "1", "whole": "3", "model": "auto", "name": "workshop", "machine": "cpu", "deploy": "none"}
    person.send("/new/start", order)

    assert studio.queue.get(1).order.projects == (3,)


def test_secrets_are_in_no_page_and_not_in_the_database(studio, cvat, person, tmp_path):
    person.send("/servers/add", {"url": cvat.url} | login(cvat))
    secret = (stand_in.TOKEN if cvat.new else stand_in.PASSWORD).encode()
    for path in ("/settings", "/servers/1", "/new/tasks?server=1"):
        assert secret not in person.get(path).content
    workspace = tmp_path / "workspace"
    holders = [
        path.relative_to(workspace).parts[0]
        for path in workspace.rglob("*")
        if path.is_file() and secret in path.read_bytes()
    ]

    assert set(holders) == {".secrets"}


def test_a_login_that_has_expired_is_said_where_it_is_mended(studio, cvat, person):
    person.send("/servers/add", {"url": cvat.url} | login(cvat))
    cvat.fail("/api/tasks", "status", status=401)
    answer = person.get("/new/tasks?server=1")

    assert answer.status_code == 502
    assert 'href="/servers/1"' in answer.text
