import re
import socket

import pytest

from preannotate.core import http
from preannotate.core.http import AddressError, Reply, address, no_answer
from preannotate.diagnostics.finding import error

STARTING = "start it."


@pytest.mark.parametrize(
    ("url", "used"),
    [
        ("http://localhost:8080/", "http://localhost:8080"),
        ("https://cvat.example.org/models?a=1#b", "https://cvat.example.org/models"),
        ("http://[::1]:8070", "http://[::1]:8070"),
    ],
)
def test_addresses(url, used):
    assert address("--cvat", url) == used


@pytest.mark.parametrize("url", ["localhost:8080", "ftp://host", "http://", "http://host:99999", "http://host:0", ""])
def test_what_is_no_address(url):
    sentence = f"--cvat: {url!r}; expected a URL, as in http://localhost:8080. Write it with http://."

    with pytest.raises(AddressError, match=f"^{re.escape(sentence)}$"):
        address("--cvat", url)


def test_a_login_in_the_address_is_refused_and_not_repeated():
    sentence = (
        "--cvat: a URL with a login in it; expected one without. Put the login into the environment: CVAT_ACCESS_TOKEN."
    )

    with pytest.raises(AddressError, match=f"^{re.escape(sentence)}$"):
        address("--cvat", "http://user:secret@host")


def test_questions_and_answers(site):
    site.answers = {"/a": (200, {"b": 1}), "/c": (503, "no functions")}

    assert http.ask(f"{site.url}/a", {"X-Own": "1"}).json() == {"b": 1}
    assert http.ask(f"{site.url}/c", {}, body={"task": 1}).status == 503
    assert [(method, path, body) for method, path, _, body in site.requests] == [
        ("GET", "/a", None),
        ("POST", "/c", {"task": 1}),
    ]
    assert site.requests[0][2]["x-own"] == "1"


def test_a_redirect_is_not_followed(site):
    site.answers = {"/": (302, "https://elsewhere.example.org/login")}
    reply = http.ask(f"{site.url}/", {"Authorization": "Bearer secret"})

    assert len(site.requests) == 1
    assert no_answer(site.url, reply, starting=STARTING) == error(
        site.url, "leads elsewhere (to https://elsewhere.example.org/login).", "Use the URL it leads to."
    )


def test_nobody_listens(monkeypatch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        reply = http.ask(url, {})

    assert no_answer(url, reply, starting=STARTING) == error(
        url, "no answer: connection refused.", "Look at host and port; start it."
    )


def test_a_server_that_does_not_answer():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        reply = http.ask(url, {}, seconds=0.2)

    assert no_answer(url, reply, starting=STARTING) == error(
        url, "no answer: timed out.", "Look at host, port and firewall; start it."
    )


def test_an_unknown_host():
    reply = Reply(0, problem="Name or service not known")

    assert no_answer("http://nuclio:8070", reply, starting=STARTING) == error(
        "http://nuclio:8070",
        "no answer: Name or service not known.",
        "Look at the name of the host; a name of Docker, such as nuclio, is known to its containers only.",
    )


def test_a_certificate_that_nobody_knows():
    reply = Reply(0, problem="its certificate is not trusted (self-signed certificate)")
    found = no_answer("https://cvat", reply, starting=STARTING)

    assert found.remedy == "Put the authority's certificate in place: export SSL_CERT_FILE=/path/to/authority.pem"


def test_http_where_https_was_asked_for(site):
    reply = http.ask(site.url.replace("http:", "https:"), {})

    assert reply.problem.startswith("no TLS there (")


def test_a_proxy_is_mentioned_where_there_is_one(monkeypatch):
    monkeypatch.setenv("http_proxy", "http://user:secret@proxy")
    found = no_answer("http://cvat:8080", Reply(0, problem="timed out"), starting=STARTING)

    assert found.remedy.endswith(" A proxy is set here: add cvat to no_proxy.")
    assert "secret" not in str(found)


def test_words_for_people():
    assert Reply(400, b'{"detail": "Invalid token."}').words() == "Invalid token."
    assert Reply(503, b'"no  functions"').words() == "no functions"
    assert Reply(500, b"<!doctype html><HTML>Server Error</HTML>").words() == ""
    assert Reply(500, b"plain " * 100).words() == ("plain " * 100)[:300]
    assert Reply(400, b'["Task matching query does not exist."]').words() == "Task matching query does not exist."
    assert Reply(500, b"[1]").words() == Reply(500, b"7").words() == Reply(500, b"{broken").words() == ""
