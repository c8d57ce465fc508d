"""The pages with each supported version of CVAT; no run is started."""

import re
from html import unescape

import pytest

pytest.importorskip("uvicorn", reason="uvicorn is not installed")

from support import cvat_stand_in as stand_in
from support import studio as support_studio

from preannotate.registry.workspace import Workspace
from preannotate.studio.services import Services
from preannotate.studio.web.app import make_app


@pytest.fixture(params=stand_in.VERSIONS)
def cvat(request):
    with support_studio.cvat(request.param) as server:
        yield server


@pytest.fixture
def studio(tmp_path):
    opened = Services(Workspace(tmp_path / "workspace"))
    yield opened
    opened.close()


@pytest.fixture
def person(studio, new_browser):
    return new_browser(make_app(studio, support_studio.ACCESS))


def login(cvat):
    if cvat.new:
        return {"way": "token", "token": stand_in.TOKEN}
    return {"way": "password", "user": stand_in.USER, "password": stand_in.PASSWORD}


def words(answer):
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", answer.text)))


def test_from_a_login_to_an_order(studio, cvat, person):
    assert "Choose training images" in words(
        person.send("/servers/add", {"url": cvat.url, "then": "new"} | login(cvat))
    )
    assert "Workbench, first camera" in words(person.page)
    assert "gear 23" in words(person.get("/servers/1/tasks/12/boxes"))
    assert person.get("/servers/1/tasks/12/preview").headers["content-type"] == "image/jpeg"
    assert "85 boxes on 22 frames." in words(person.get("/new/model?server=1&task=12"))
    assert "Not enough annotations yet" in words(person.get("/new/model?server=1&task=14"))
    page = person.get("/new/start?server=1&task=12&task=13&model=ssd-mobilenet-v2")
    fields = dict(re.findall(r'name="(a-\w+)"[^>]* value="([^"]*)"', page.text))
    assert fields["a-epochs"] == "375"  # 750 steps, two for each pass over 31 of 36 images
    order = fields | {"server": "1", "task": ["12", "13"], "model": "ssd-mobilenet-v2", "name": "workbench"}
    person.send("/new/start", order | {"machine": "cpu", "deploy": "none", "arguments": "seed=3"})
    run = studio.queue.get(1)

    assert "Next in the queue. It starts as soon as the machine is free." in words(person.page)
    assert (run.state, run.request.tasks, run.request.arguments) == ("waiting", (12, 13), "seed=3")


def test_a_whole_project_is_taken(studio, cvat, person):
    person.send("/servers/add", {"url": cvat.url} | login(cvat))
    assert "Use the whole project" in words(person.get("/new/tasks?server=1&project=3"))
    assert "on 36 frames." in words(person.get("/new/model?server=1&whole=3"))
    order = {"server": "1", "whole": "3", "model": "auto", "name": "workshop", "machine": "cpu", "deploy": "none"}
    person.send("/new/start", order)

    assert studio.queue.get(1).request.projects == (3,)


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
