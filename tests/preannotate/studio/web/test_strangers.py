"""Whatever is sent to the real core's pages, the answer is a page and not a mistake of the studio."""

import importlib.util
import re
import sys
from pathlib import Path

import pytest

pytest.importorskip("cvat_sdk", reason="cvat-sdk is not installed")

from preannotate.registry.workspace import Workspace
from preannotate.studio import secrets
from preannotate.studio.services import Services
from preannotate.studio.web.app import PAGES, AccessPolicy, make_app

_spec = importlib.util.spec_from_file_location("studio_actor", Path(__file__).with_name("actor.py"))
actor = sys.modules["studio_actor"] = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(actor)
ODD = [
    "", "0", "-1", "1.5", "9" * 30, "١٢", "<b>&\"'", "a\x00b", "x" * 1200, "../../etc/passwd", "%s%n{}{{7*7}}",
    "\u202e\ud7ff", "nan", "1e999",
]  # fmt: skip
FIELDS = (
    "server", "task", "whole", "project", "model", "base", "base_version", "base_file", "name", "search", "page",
    "machine", "deploy", "arguments", "a-epochs", "a-image_size", "version", "label-0", "threshold", "top",
    "confidence_attribute", "create_task", "way", "url", "user", "password", "token", "profile", "host", "port",
    "security", "sender", "recipients", "webhook_url", "simultaneous", "link_base", "next", "done", "still", "then",
)  # fmt: skip


@pytest.fixture
def stranger(tmp_path, monkeypatch, new_browser):
    """At a real core with one model; CVAT is not there."""
    monkeypatch.setattr(secrets, "find_keyring", lambda: None)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    from preannotate.cvat import requests

    monkeypatch.setattr(requests, "FIRST_WAIT_SECONDS", 0.0)
    studio = Services(Workspace(tmp_path / "real"))
    version = studio.workspace.model("boats").version(1)
    version.run.mkdir(parents=True)
    actor.leave(studio.workspace.model("boats"), version)
    access = AccessPolicy(names=("127.0.0.1",), numbers=False, token="", key=b"k" * 32)
    yield new_browser(make_app(studio, access))
    studio.close()


def paths(odd):
    """Addresses of all pages with something odd in place of each part."""
    for path in PAGES:
        number = odd if odd.isdecimal() and odd.isascii() else "7"
        filled = re.sub(r"\{\w+:number\}", number, path)
        for part in re.findall(r"\{\w+\}", filled):
            yield filled.replace(part, "boats" if part == "{name}" else "nothing")
        yield re.sub(r"\{\w+\}", odd.replace("/", "%2f").replace("%s", "%25s").replace("?", "%3f") or "x", filled)


@pytest.mark.parametrize("odd", ODD, ids=range(len(ODD)))
def test_no_address_makes_the_studio_fail(stranger, odd):
    query = dict.fromkeys(FIELDS, odd)
    for path in {*paths(odd)}:
        for params in ({}, query):
            answer = stranger.get(path.replace("\x00", "%00"), params=params)
            assert answer.status_code < 500 or answer.status_code == 502, path
            assert "<b>&" not in answer.text


@pytest.mark.parametrize("odd", ODD, ids=range(len(ODD)))
def test_no_form_makes_the_studio_fail(stranger, odd):
    fields = dict.fromkeys(FIELDS, odd)
    for path, (_, post, _) in PAGES.items():
        if post is None:
            continue
        filled = re.sub(r"\{\w+:number\}", "1", path).replace("{name}", "boats")
        for kind in ("annotate", "rank", "review") if "{kind}" in filled else ("",):
            answer = stranger.send(filled.replace("{kind}", kind), fields, follow=False)
            assert answer.status_code < 500 or answer.status_code == 502, path
            assert "<b>&" not in answer.text


@pytest.mark.parametrize("odd", ODD, ids=range(len(ODD)))
def test_no_order_makes_the_studio_fail(core, browser, odd):
    """Beyond the first checks: server, task and model are there, and the rest is odd."""
    core.with_server()
    core.models.put()
    fields = dict.fromkeys(FIELDS, odd) | {"server": "1", "task": "12", "model": "ssd-mobilenet-v2"}
    for base in ("imagenet", "version", "file", odd):
        for path in ("/new/tasks", "/new/model", "/new/start"):
            assert browser.get(path, params=fields | {"base": base}).status_code < 500
        assert browser.send("/new/start", fields | {"base": base}, follow=False).status_code < 500
    for kind in ("annotate", "rank", "review"):
        assert browser.send(f"/models/boats/{kind}", fields, follow=False).status_code < 500
    assert browser.send("/models/boats/versions/1/threshold", fields, follow=False).status_code < 500
