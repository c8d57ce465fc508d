"""Whatever is sent to the pages, the answer is a page and never an internal error."""

import re

import pytest

from preannotate.studio.web.app import PAGES

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


@pytest.fixture(autouse=True)
def one_model(example, monkeypatch):
    """And no waiting for a CVAT that is not there."""
    from preannotate.cvat import requests

    monkeypatch.setattr(requests, "FIRST_WAIT_SECONDS", 0.0)
    example.with_model()


def paths(odd):
    """Addresses of all pages with something odd in place of each part."""
    for path in PAGES:
        number = odd if odd.isdecimal() and odd.isascii() else "7"
        filled = re.sub(r"\{\w+:number\}", number, path)
        for part in re.findall(r"\{\w+\}", filled):
            yield filled.replace(part, "boats" if part == "{name}" else "nothing")
        yield re.sub(r"\{\w+\}", odd.replace("/", "%2f").replace("%s", "%25s").replace("?", "%3f") or "x", filled)


@pytest.mark.parametrize("odd", ODD, ids=range(len(ODD)))
def test_no_address_makes_the_studio_fail(browser, odd):
    query = dict.fromkeys(FIELDS, odd)
    for path in {*paths(odd)}:
        for params in ({}, query):
            answer = browser.get(path.replace("\x00", "%00"), params=params)
            assert answer.status_code < 500 or answer.status_code == 502, path
            assert "<b>&" not in answer.text


@pytest.mark.parametrize("odd", ODD, ids=range(len(ODD)))
def test_no_form_makes_the_studio_fail(browser, odd):
    fields = dict.fromkeys(FIELDS, odd)
    for path, (_, post, _) in PAGES.items():
        if post is None:
            continue
        filled = re.sub(r"\{\w+:number\}", "1", path).replace("{name}", "boats")
        for kind in ("annotate", "rank", "review") if "{kind}" in filled else ("",):
            answer = browser.send(filled.replace("{kind}", kind), fields, follow=False)
            assert answer.status_code < 500 or answer.status_code == 502, path
            assert "<b>&" not in answer.text


@pytest.mark.parametrize("odd", ODD, ids=range(len(ODD)))
def test_no_order_makes_the_studio_fail(example, browser, odd):
    """Beyond the first checks: server, task and model are there, and the rest is odd."""
    example.with_server()
    fields = dict.fromkeys(FIELDS, odd) | {"server": "1", "task": "12", "model": "ssd-mobilenet-v2"}
    for base in ("imagenet", "version", "file", odd):
        for path in ("/new/tasks", "/new/model", "/new/start"):
            assert browser.get(path, params=fields | {"base": base}).status_code < 500
        assert browser.send("/new/start", fields | {"base": base}, follow=False).status_code < 500
    for kind in ("annotate", "rank", "review"):
        assert browser.send(f"/models/boats/{kind}", fields, follow=False).status_code < 500
    assert browser.send("/models/boats/versions/1/threshold", fields, follow=False).status_code < 500
