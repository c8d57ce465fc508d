"""Pages of a studio that no run process belongs to, requested without a socket."""

import re

import pytest

pytest.importorskip("starlette", reason="starlette is not installed")
pytest.importorskip("jinja2", reason="jinja2 is not installed")

import anyio
import httpx
from support.studio import ACCESS
from support.studio import example as example_studio

from preannotate.studio.web.app import make_app


class Browser:
    """Asks the app as a browser would: keeps cookies, sends forms of the page that it is on."""

    def __init__(self, app, base="http://127.0.0.1:8095"):
        self.app, self.base = app, base
        self.cookies = httpx.Cookies()
        self.page = None

    def ask(self, method, path, **options):
        async def go():
            transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url=self.base, cookies=self.cookies) as client:
                answer = await client.request(method, path, **options)
                self.cookies = client.cookies
                return answer

        return anyio.run(go)

    def get(self, path, **options):
        self.page = self.ask("GET", path, **options)
        return self.page

    def form_token(self):
        """As a hidden field of any page of ours has it."""
        return re.search(r'name="form_token" value="([0-9a-f]{64})"', self.ask("GET", "/settings").text)[1]

    def send(self, path, data=None, *, follow=True, **options):
        """A form with the token of the session."""
        headers = {"origin": self.base, "sec-fetch-site": "same-origin"} | options.pop("headers", {})
        answer = self.ask(
            "POST", path, data={"form_token": self.form_token()} | (data or {}), headers=headers, **options
        )
        if follow and answer.status_code == 303:
            return self.get(answer.headers["location"])
        return answer


@pytest.fixture
def example(tmp_path, monkeypatch):
    """A studio without servers, models and runs, in front of a CVAT with two tasks."""
    from preannotate.studio import recommendations

    monkeypatch.setattr(recommendations, "gpus", tuple)
    with example_studio(tmp_path / "workspace") as found:
        yield found


@pytest.fixture
def full(example):
    """A server, a model and a run."""
    example.with_server()
    example.with_model()
    example.with_run()
    return example


@pytest.fixture
def new_browser():
    """Makes a browser in front of an app."""
    return Browser


@pytest.fixture
def browser(example):
    """At this machine: no login."""
    return Browser(make_app(example.services, ACCESS))
