"""A server that is not what it seems: no login leaves for another one, and no response is larger or slower than it may.

Each is one sentence.
"""

import gzip
import io
import itertools

import pytest
from support.hostile_server import head, hostile_server

from preannotate.cvat import limited_http, requests
from preannotate.cvat.connection import connect
from preannotate.cvat.errors import CvatError
from preannotate.cvat.functions import CALL_TIMEOUT_SECONDS, Functions
from preannotate.cvat.limited_http import LimitedRest, Limits, OtherServerError
from preannotate.cvat.login import Login

SECRET = "correct horse"


@pytest.fixture
def cvat():
    with hostile_server() as server:
        server.json("/api/server/about", {"version": "2.80.0"})
        server.json(
            "/api/auth/login", {"key": "k"}, "Set-Cookie: sessionid=session-of-ann", "Set-Cookie: csrftoken=csrf-of-ann"
        )
        yield server


@pytest.fixture
def other():
    with hostile_server() as server:
        yield server


def log_in(cvat):
    return connect(Login(url=cvat.url, user="ann", password=SECRET))


def refusal(action, *arguments):
    with pytest.raises(CvatError) as caught:
        action(*arguments)
    assert SECRET not in str(caught.value)
    return str(caught.value)


def other_server(cvat, other, what):
    return (
        f"{cvat.url}: {what} leads to {other.url}, another server, which would get the login; expected CVAT itself. If "
        f"that is your CVAT, name it: --cvat {other.url}"
    )


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_password_does_not_follow_a_redirect(cvat, other, status):
    cvat.redirect("/api/auth/login", f"{other.url}/api/auth/login", status)

    assert refusal(log_in, cvat) == other_server(cvat, other, "the login")
    assert other.received == []


def test_nothing_follows_a_redirect_before_the_login(cvat, other):
    cvat.redirect("/api/server/about", f"http://ann:pw@{other.url.removeprefix('http://')}/elsewhere?token=1")

    assert refusal(log_in, cvat) == other_server(cvat, other, "its version")
    assert other.received == []
    assert len(cvat.received) == 1


@pytest.mark.parametrize("method", ["json", "shapes"])
def test_no_session_and_no_csrf_token_follow_a_redirect(cvat, other, method):
    server = log_in(cvat)
    if method == "json":
        cvat.redirect("/api/tasks/12", f"{other.url}/api/tasks/12")
        refusal(server.task, 12)
    else:
        cvat.redirect("/api/jobs/40/annotations/", f"{other.url}/")
        shape = {"type": "rectangle", "frame": 0, "label_id": 7, "points": [1.0, 2.0, 3.0, 4.0], "attributes": []}
        with pytest.raises(CvatError, match="another server"):
            server.add_shapes(40, [shape], happened=lambda: False)
        assert cvat.received[-1][1]["x-csrftoken"] == "csrf-of-ann"
    assert other.received == []


def test_a_redirect_within_the_server_is_followed(cvat):
    cvat.redirect("/api/users/self", "/api/moved")
    cvat.json("/api/moved", {"username": "ann"})

    assert log_in(cvat).user() == {"username": "ann"}


def test_a_circle_of_redirects_ends(cvat):
    cvat.redirect("/api/users/self", "/api/users/self")

    assert refusal(log_in(cvat).user) == f"{cvat.url}: too many redirects; expected CVAT. Use CVAT's own URL."


def test_https_of_the_same_host_is_named(cvat):
    secure = cvat.url.replace("http://", "https://")
    cvat.redirect("/api/server/about", f"{secure}/api/server/about", 301)

    assert refusal(log_in, cvat).endswith(f"If that is your CVAT, name it: --cvat {secure}")


def test_an_upload_does_not_go_on_at_another_server(cvat, other):
    """Uploads go on at the address that the response to their beginning names."""
    rest = log_in(cvat).client.api_client.rest_client
    assert isinstance(rest, LimitedRest)
    with pytest.raises(OtherServerError):
        rest.PATCH(f"{other.url}/api/tasks/1/data/upload", headers={"X-CSRFTOKEN": "csrf-of-ann"})
    assert other.received == []


@pytest.mark.parametrize(
    ("named", "used"),
    [
        ("http://cvat.example.org/up", "https://cvat.example.org/up"),  # a server that does not know of its proxy
        ("https://cvat.example.org:443/up", "https://cvat.example.org:443/up"),
        ("https://cvat.example.org:8443/up", None),
        ("https://evil.example.org/up", None),
        ("https://cvat.example.org.evil.org/up", None),
        ("https://cvat.example.org@evil.org/up", None),
        ("//evil.org/up", None),
        ("file:///etc/passwd", None),
    ],
)
def test_an_address_that_the_server_names(named, used):
    from cvat_sdk.api_client import ApiClient, Configuration

    client = ApiClient(Configuration(host="https://cvat.example.org"))
    limited_http.limit_requests(client)
    if used is None:
        with pytest.raises(OtherServerError):
            client.rest_client._on_server(named)
    else:
        assert client.rest_client._on_server(named) == used


def endless(start):
    return lambda: itertools.chain([start], itertools.repeat(b"10000\r\n" + b" " * 65536 + b"\r\n"))


def bomb():
    stream = io.BytesIO()
    with gzip.GzipFile(fileobj=stream, mode="wb", compresslevel=9) as file:
        for _ in range(64):
            file.write(b" " * (1 << 20))
    return stream.getvalue()


@pytest.mark.parametrize("path", ["/api/server/about", "/api/users/self"])
@pytest.mark.parametrize("status", [200, 500])
def test_an_endless_response(cvat, path, status, monkeypatch):
    monkeypatch.setattr(requests, "ATTEMPTS", 1)
    cvat.answers[path] = endless(head(status, "Transfer-Encoding: chunked"))
    what = "the login" if "users" in path else "its version"
    most = 16 if "users" in path and status == 200 else 4

    assert refusal(lambda: log_in(cvat).user()) == (
        f"{cvat.url}: {what}: the response is larger than {most} megabytes; expected at most that. Check that the URL "
        f"is CVAT's own."
    )


def test_a_response_to_an_upload_that_repeats_all_shapes(cvat):
    server = log_in(cvat)
    cvat.answers["/api/jobs/40/annotations/"] = lambda: [head(200), *([b" " * (1 << 20)] * 10)]
    shape = {"type": "rectangle", "frame": 0, "label_id": 7, "points": [1.0, 2.0, 3.0, 4.0], "attributes": []}

    server.add_shapes(40, [shape], happened=lambda: False)

    assert [request for request, _, _ in cvat.received].count("PATCH /api/jobs/40/annotations/?action=create") == 1


def test_an_endless_response_to_the_password(cvat):
    cvat.answers["/api/auth/login"] = endless(head(200, "Transfer-Encoding: chunked"))

    assert refusal(log_in, cvat).startswith(f"{cvat.url}: the login: the response is larger than 4 megabytes;")


def test_an_image_without_end(cvat):
    server = log_in(cvat)
    cvat.answers["/api/tasks/12/preview"] = endless(head(200, "Transfer-Encoding: chunked"))

    with pytest.raises(CvatError, match="picture of task 12: the response is larger than 16 megabytes;"):
        server.preview(12, io.BytesIO())


@pytest.mark.parametrize(("encoding", "times"), [("gzip", 1), ("gzip, gzip", 2)])
def test_a_bomb(cvat, encoding, times):
    content = bomb() if times == 1 else gzip.compress(bomb())
    cvat.answers["/api/server/about"] = lambda: [head(200, f"Content-Encoding: {encoding}"), content]

    found = refusal(log_in, cvat)
    expected = "larger than 4 megabytes" if times == 1 else "compressed more than once"
    assert found.startswith(f"{cvat.url}: its version: the response is {expected};")


@pytest.mark.parametrize(
    "start",
    [b"", b"HTTP/1.1 200 OK\r\nX-Slow: ", head(200, "Content-Length: 1000000"), head(200)],
    ids=["status", "header", "body", "body without length"],
)
def test_a_response_that_drips(cvat, start, monkeypatch):
    monkeypatch.setattr(requests.Requests.json, "__kwdefaults__", {"limits": Limits(1000, 0.3)})
    cvat.answers["/api/server/about"] = lambda: cvat.drip(start, b"a")

    assert refusal(log_in, cvat) == (
        f"{cvat.url}: no response in time for its version; expected a response. Check the load of the server. Run the "
        f"same command again to continue."
    )
    assert len(cvat.received) == 1  # not again and again


def test_a_call_of_a_function_may_take_longer_than_cvat_waits_for_it(cvat, monkeypatch):
    server, limits, exchange = log_in(cvat), [], requests.exchange
    monkeypatch.setattr(requests, "exchange", lambda given: limits.append(given) or exchange(given))
    cvat.json("/api/lambda/functions/pets", [])

    assert Functions(server).call("pets", 12, 0, {}, {}) == []
    assert limits[0].seconds >= sum(CALL_TIMEOUT_SECONDS)


@pytest.mark.parametrize(
    "body", [b"[" * 100_000, b"[" + b"{}," * 1_000_000 + b"{}]", b'{"version": NaN}', b'{"version": "\\ud800"}']
)
def test_json_that_is_none_or_too_deep(cvat, body, monkeypatch):
    monkeypatch.setattr(requests, "MAX_CONTAINERS", 1_000_000)
    cvat.answers["/api/server/about"] = lambda: [head(200), body]

    assert (
        refusal(log_in, cvat) == f"{cvat.url}: its version is not JSON; expected CVAT's response. Use CVAT's own URL."
    )


@pytest.mark.parametrize(
    "content", [[], {}, {"version": []}, {"version": "2" * 100_000}, "2.80", None, {"version": {}}]
)
def test_a_version_of_another_form(cvat, content):
    cvat.json("/api/server/about", content)

    assert refusal(log_in, cvat) == (
        f"{cvat.url}: a server that is not CVAT; expected CVAT's version. Use CVAT's own URL."
    )


@pytest.mark.parametrize("content", [[], "x", 3, None, {"key": 5}])
@pytest.mark.parametrize("cookie", ["sessionid=a", "=;=;\x01", "sessionid=\x1b[31m; csrftoken=\t"])
def test_a_login_of_another_form(cvat, content, cookie):
    cvat.json("/api/auth/login", content, f"Set-Cookie: {cookie}")

    assert refusal(log_in, cvat).startswith(f"{cvat.url}: ")


# Connections that go elsewhere, as from a container


@pytest.fixture
def translated(cvat, monkeypatch):
    """What `localhost:8080` is for browsers, and another port for this process; gives its URL."""
    port = int(cvat.url.rpartition(":")[2])
    monkeypatch.setenv(limited_http.CONNECT_VARIABLE, f"localhost:8080=127.0.0.1:{port}")
    return "http://localhost:8080"


@pytest.mark.parametrize("url", ["http://localhost:8080", "http://LOCALHOST:8080/", "http://127.0.0.1:8080"])
def test_connections_go_where_the_variable_says_and_requests_do_not_change(cvat, translated, url):
    server = connect(Login(url=url, user="ann", password=SECRET))

    assert server.url.casefold() == url.rstrip("/").casefold()
    hosts = {headers["host"].casefold() for _, headers, _ in cvat.received}
    assert hosts == {url.rstrip("/").removeprefix("http://").casefold()}


def test_redirects_within_the_server_are_followed_and_no_others(cvat, other, translated):
    server = connect(Login(url=translated, user="ann", password=SECRET))
    cvat.redirect("/api/tasks/12", f"{translated}/api/elsewhere/12")
    assert "404" in refusal(server.task, 12)
    assert cvat.received[-1][0] == "GET /api/elsewhere/12"

    cvat.redirect("/api/tasks/12", f"{cvat.url}/api/tasks/12")
    assert f"task 12 leads to {cvat.url}, another server" in refusal(server.task, 12)


@pytest.mark.parametrize("text", ["localhost:8081=127.0.0.1:{port}", "other:8080=127.0.0.1:{port}", "", "  "])
def test_all_other_addresses_are_what_they_say(cvat, monkeypatch, text):
    port = cvat.url.rpartition(":")[2]
    monkeypatch.setenv(limited_http.CONNECT_VARIABLE, text.format(port=port))

    assert log_in(cvat).url == cvat.url


def test_a_server_that_is_not_there_is_named_with_the_one_that_was_tried(monkeypatch):
    monkeypatch.setenv(limited_http.CONNECT_VARIABLE, "localhost:8080=127.0.0.1:9")

    said = refusal(connect, Login(url="http://localhost:8080", user="ann", password=SECRET))
    assert said.startswith("http://localhost:8080: no connection (connection refused); expected CVAT to listen there.")
    assert (
        "(connections go to 127.0.0.1:9, as PREANNOTATE_CVAT_CONNECT_TO says: CVAT has to be on the same Docker "
        "network, by compose.cvat.yaml)"
    ) in said


@pytest.mark.parametrize(
    "text",
    ["cvat_server", "localhost:8080", "a:1=b:0", "a:1=b:65536", "a:99999=b:1", "a:1=b:2=c:3", "a:1 =b:2", "a:1=b\nc:2"],
)
def test_a_variable_of_another_form_is_one_sentence(cvat, monkeypatch, text):
    monkeypatch.setenv(limited_http.CONNECT_VARIABLE, text)

    said = refusal(log_in, cvat)
    assert said.startswith("PREANNOTATE_CVAT_CONNECT_TO: ")
    assert said.endswith(
        "; expected HOST:PORT=HOST:PORT, as in localhost:8080=cvat_server:8080. Correct it, or leave it empty."
    )
    assert cvat.received == []
