"""The pages with a core in memory, asked without a socket."""

import importlib.util
import re
import sys
from pathlib import Path

import pytest

pytest.importorskip("starlette", reason="starlette is not installed")
pytest.importorskip("jinja2", reason="jinja2 is not installed")

import anyio
import httpx

from preannotate.studio.web.app import AccessPolicy, make_app

# With --import-mode=importlib a test cannot import its neighbours by name.
_spec = importlib.util.spec_from_file_location("studio_fake_core", Path(__file__).with_name("fake_core.py"))
fake_core = sys.modules["studio_fake_core"] = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(fake_core)


class Browser:
    """Asks the app as a browser would: keeps cookies, sends forms of the page that it is on."""

    def __init__(self, app, base="http://127.0.0.1:8090"):
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
def core(tmp_path, monkeypatch):
    """What is behind the pages."""
    from preannotate.studio.web.pages import home, runs, wizard, wizard_start

    studio = fake_core.FakeStudio(tmp_path / "workspace")
    studio.workspace.path.mkdir()
    for module in (wizard, wizard_start):
        monkeypatch.setattr(module, "assess_annotations", fake_core.advice)
    monkeypatch.setattr(wizard, "model_choices", fake_core.model_choices)
    monkeypatch.setattr(wizard_start, "argument_fields", fake_core.arguments_form)
    monkeypatch.setattr(wizard_start, "assemble_arguments", fake_core.assemble)
    monkeypatch.setattr(wizard_start, "machines", fake_core.machines)
    empty = fake_core.LiveProgress((), 0, 0, None, (), "", 0.0)
    for module in (runs, home):
        monkeypatch.setattr(module, "read_live_progress", lambda run: studio.lives.get(run.id, empty))
    return studio


ACCESS = AccessPolicy(names=("localhost", "127.0.0.1", "::1"), numbers=False, token="", key=b"k" * 32)


@pytest.fixture
def new_browser():
    """Makes a browser in front of an app."""
    return Browser


@pytest.fixture
def browser(core):
    """At this machine: no login."""
    return Browser(make_app(core, ACCESS))
