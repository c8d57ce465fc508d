import contextlib
import io
import re
import socket
import ssl
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from support.web_server import web_server

from preannotate.core import http
from preannotate.core.errors import FileError
from preannotate.core.http import AddressError, Failure, NoResponseError, Response, is_http_url, server_url

# For requests that are to time out, and for the others.
SHORT, LONG = 0.3, 20.0


@pytest.fixture(autouse=True)
def nothing_of_this_machine(no_proxies, monkeypatch):
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)


@pytest.fixture
def site():
    with web_server() as found:
        yield found


@contextlib.contextmanager
def raw_server(answer, context=None):
    """The URL of a server that sends bytes as they are to each connection, and then goes on with `answer`'s own."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve():
            with contextlib.suppress(OSError):
                connection, _ = listener.accept()
                with context.wrap_socket(connection, server_side=True) if context else connection as secured:
                    secured.recv(1 << 16)
                    answer(secured)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"{'https' if context else 'http'}://127.0.0.1:{listener.getsockname()[1]}"
        listener.close()
        thread.join(LONG)
        assert not thread.is_alive()


def dripping(*, after):
    """Send `after`, and then a byte every now and then for as long as somebody listens."""

    def answer(connection):
        connection.sendall(after)
        while True:
            connection.sendall(b"x")
            threading.Event().wait(SHORT / 10)

    return answer


@pytest.mark.parametrize(
    ("url", "used"),
    [
        ("http://localhost:8080/", "http://localhost:8080"),
        ("https://cvat.example.org/models?a=1#b", "https://cvat.example.org/models"),
        ("http://[::1]:8070", "http://[::1]:8070"),
    ],
)
def test_server_urls(url, used):
    assert server_url("--cvat", url) == used


@pytest.mark.parametrize("url", ["localhost:8080", "ftp://host", "http://", "http://host:99999", "http://host:0", ""])
def test_what_is_not_a_url(url):
    sentence = f"--cvat: {url!r}; expected a URL, as in http://localhost:8080. Write it with http://."

    assert not is_http_url(url)
    with pytest.raises(AddressError, match=f"^{re.escape(sentence)}$"):
        server_url("--cvat", url)


def test_a_login_in_the_url_is_refused_and_not_repeated():
    sentence = (
        "--cvat: a URL with a login in it; expected one without. Put the login into the environment: CVAT_ACCESS_TOKEN."
    )

    with pytest.raises(AddressError, match=f"^{re.escape(sentence)}$"):
        server_url("--cvat", "http://user:secret@host")


def test_requests_and_responses(site):
    site.answers = {"/a": (200, {"b": 1}), "/c": (503, "no functions")}

    assert http.request("GET", f"{site.url}/a?page=2", headers={"X-Own": "1"}).json() == {"b": 1}
    assert http.request("POST", f"{site.url}/c", json_body={"task": "ä"}).status == 503
    assert http.request("PUT", f"{site.url}/c", body=b"[1]", headers={"Content-Type": "text/plain"}).status == 503
    assert [(method, path, body) for method, path, _, body in site.requests] == [
        ("GET", "/a?page=2", None),
        ("POST", "/c", {"task": "ä"}),
        ("PUT", "/c", [1]),
    ]
    assert [request[2].get("content-type") for request in site.requests] == [None, "application/json", "text/plain"]
    assert site.requests[0][2]["x-own"] == "1"


def test_a_redirect_is_not_followed(site):
    site.answers = {"/": (302, "https://elsewhere.example.org/login")}
    response = http.request("GET", f"{site.url}/", headers={"Authorization": "Bearer secret"})

    assert (response.status, response.location) == (302, "https://elsewhere.example.org/login")
    assert len(site.requests) == 1


def failure_of(url, *, timeout=LONG):
    with pytest.raises(NoResponseError) as caught:
        http.request("GET", url, timeout=timeout)
    return caught.value.failure, str(caught.value)


def test_nobody_listens():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))

        assert failure_of(f"http://127.0.0.1:{taken.getsockname()[1]}") == (Failure.REFUSED, "connection refused")


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a" * 70 + ".example.org"])
def test_an_unknown_host(host):
    assert failure_of(f"http://{host}/") == (Failure.HOST_NOT_FOUND, "host not found")


def test_a_server_that_does_not_answer():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"

        assert failure_of(url, timeout=SHORT) == (Failure.TIMED_OUT, "timed out")


@pytest.mark.parametrize(
    "after",
    [b"HTTP/1.1 200 OK\r\nX-Long: ", b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n", b"HTTP/1.0 200 OK\r\n\r\n"],
)
def test_the_time_limit_is_of_the_whole_response(after):
    """Each byte comes in time, all of them do not."""
    with raw_server(dripping(after=after)) as url:
        assert failure_of(url, timeout=SHORT) == (Failure.TIMED_OUT, "timed out")


def test_a_response_that_is_too_large(monkeypatch):
    monkeypatch.setattr(http, "MAX_BYTES", 1000)

    with raw_server(lambda connection: connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n" + b"x" * 1001)) as url:
        assert failure_of(url) == (Failure.TOO_LARGE, "the response is too large")
    with raw_server(lambda connection: connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n" + b"x" * 1000)) as url:
        assert len(http.request("GET", url).body) == 1000


@pytest.mark.parametrize("sent", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"])
def test_a_connection_that_breaks_off(sent):
    with raw_server(lambda connection: connection.sendall(sent)) as url:
        assert failure_of(url) == (Failure.BROKEN_OFF, "the connection broke off")


def test_certificates(certificate, monkeypatch):
    key, pem = certificate
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, key)
    answer = lambda connection: connection.sendall(b"HTTP/1.0 204 No Content\r\n\r\n")  # noqa: E731

    with raw_server(answer, context) as url:
        failure, reason = failure_of(url)
    assert failure is Failure.CERTIFICATE
    assert reason == "its certificate is not trusted (self-signed certificate)"

    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    with raw_server(answer, context) as url:
        assert http.request("GET", url).status == 204


def test_http_where_https_was_asked_for(site):
    failure, reason = failure_of(site.url.replace("http:", "https:"))

    assert failure is Failure.NO_TLS
    assert reason.startswith("no TLS (")


def test_the_proxy_of_the_environment(site, monkeypatch):
    site.answers = {"http://cvat.example.org/api": (200, {"via": "proxy"}), "/api": (200, {"via": "nothing"})}
    monkeypatch.setenv("http_proxy", site.url.replace("//", "//user:very%20secret@"))

    assert http.request("GET", "http://cvat.example.org/api").json() == {"via": "proxy"}
    assert site.requests[0][2]["proxy-authorization"] == "Basic dXNlcjp2ZXJ5IHNlY3JldA=="
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert http.request("GET", f"{site.url}/api").json() == {"via": "nothing"}
    assert "proxy-authorization" not in site.requests[1][2]


def test_a_proxy_that_does_not_answer(monkeypatch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv("https_proxy", f"http://user:secret@127.0.0.1:{taken.getsockname()[1]}")

        assert failure_of("https://cvat.example.org/") == (Failure.REFUSED, "connection refused by the proxy")


def download(url, *, max_bytes=1000, timeout=LONG):
    file = io.BytesIO()
    http.download(url, file, max_bytes=max_bytes, connect_timeout=timeout, timeout=timeout)
    return file.getvalue()


def not_downloaded(url, **limits):
    with pytest.raises(NoResponseError) as caught:
        download(url, **limits)
    return str(caught.value)


def test_a_download_follows_redirects(site):
    site.answers = {"/a": (302, f"{site.url}/b"), "/b": (307, "/c"), "/c": (200, bytes(range(256)))}

    assert download(f"{site.url}/a") == bytes(range(256))
    assert [path for _, path, _, _ in site.requests] == ["/a", "/b", "/c"]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ((404, "not found"), "status 404"),
        ((403, b"\xff"), "status 403"),
        ((302, "/a"), "too many redirects"),
        ((302, "file:///etc/passwd"), "a redirect to an address that is not https"),
        ((200, b"x" * 1001), "the response is too large"),
    ],
)
def test_downloads_that_fail(site, answer, reason):
    site.answers = {"/a": answer}

    assert not_downloaded(f"{site.url}/a") == reason


def test_a_download_never_goes_from_https_to_http(certificate, monkeypatch, site):
    key, pem = certificate
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, key)
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    site.answers = {"/a": (200, "plain")}
    answer = f"HTTP/1.0 302 Found\r\nLocation: {site.url}/a\r\n\r\n".encode()

    with raw_server(lambda connection: connection.sendall(answer), context) as url:
        assert not_downloaded(url) == "a redirect to an address that is not https"
    assert site.requests == []


@pytest.mark.parametrize("sent", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"])
def test_a_download_that_breaks_off(sent):
    with raw_server(lambda connection: connection.sendall(sent)) as url:
        assert not_downloaded(url) == "the connection broke off"


@pytest.mark.parametrize("after", [b"HTTP/1.1 200 OK\r\nX-Long: ", b"HTTP/1.0 200 OK\r\n\r\n"])
def test_a_download_has_a_time_limit(after):
    with raw_server(dripping(after=after)) as url:
        assert not_downloaded(url, timeout=SHORT) == "timed out"


def test_a_full_disk_is_no_fault_of_the_server(site):
    site.answers = {"/a": (200, b"x")}

    with Path("/dev/full").open("wb", buffering=0) as full, pytest.raises(FileError, match="No space left on device"):
        http.download(f"{site.url}/a", full, max_bytes=10, connect_timeout=LONG, timeout=LONG)


def test_messages_for_people():
    assert Response(400, b'{"detail": "Invalid token."}').message() == "Invalid token."
    assert Response(503, b'"no  functions"').message() == "no functions"
    assert Response(500, b"<!doctype html><HTML>Server Error</HTML>").message() == ""
    assert Response(500, b"plain " * 100).message() == ("plain " * 100)[:300]
    assert Response(400, b'["Task matching query does not exist."]').message() == "Task matching query does not exist."
    assert Response(500, b"[1]").message() == Response(500, b"7").message() == Response(500, b"{broken").message() == ""


def test_the_module_is_light():
    code = "import sys, preannotate.core.http; sys.exit('urllib3' in sys.modules)"
    environment = {"PYTHONPATH": ":".join(filter(None, sys.path))}

    assert subprocess.run([sys.executable, "-c", code], env=environment, check=False).returncode == 0
