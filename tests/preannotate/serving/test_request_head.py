"""Heads of requests by RFC 9112, and what is refused beyond it."""

import pytest

from preannotate.serving.request_head import BadRequestError, check_beginning, parse


def head(*lines: bytes, first: bytes = b"POST /a/b?c=d HTTP/1.1") -> bytes:
    return b"\r\n".join([first, b"Host: a", *lines])


def test_head_is_read():
    found = parse(head(b"Content-Length: 12", b"X-A:  b c\t", b"x-a: \xff"))

    assert (found.method, found.path, found.raw_path, found.query) == ("POST", "/a/b", b"/a/b", b"c=d")
    assert found.headers == [(b"host", b"a"), (b"content-length", b"12"), (b"x-a", b"b c"), (b"x-a", b"\xff")]
    assert (found.version, found.length, found.keeps_alive, found.wants_continue) == ("1.1", 12, True, False)


def test_percent_signs_in_a_path_are_decoded_and_kept():
    found = parse(head(first=b"GET /%C3%A4%2f%ff HTTP/1.1"))

    assert (found.path, found.raw_path) == ("/\xe4/\ufffd", b"/%C3%A4%2f%ff")


@pytest.mark.parametrize(
    ("lines", "version", "keeps_alive"),
    [
        ([], b"1.1", True),
        ([b"Connection: close"], b"1.1", False),
        ([b"Connection: upgrade, Close"], b"1.1", False),
        ([], b"1.0", False),
        ([b"Connection: keep-alive"], b"1.0", True),
    ],
)
def test_whether_another_request_follows(lines, version, keeps_alive):
    assert parse(head(*lines, first=b"GET / HTTP/" + version)).keeps_alive is keeps_alive


def test_chunks_have_no_length():
    assert parse(head(b"Transfer-Encoding: Chunked")).length is None


def test_only_a_client_of_http_1_1_waits_for_continue():
    assert parse(head(b"Expect: 100-Continue")).wants_continue
    assert not parse(head(b"Expect: 100-continue", first=b"POST / HTTP/1.0")).wants_continue


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"GET",
        b"GET / HTTP/1.1",
        b"GET / HTTP/1.2\r\nHost: a",
        b"GET  / HTTP/1.1\r\nHost: a",
        b"GET /\x7f HTTP/1.1\r\nHost: a",
        b"GET / http/1.1\r\nHost: a",
        b"G\xc3T / HTTP/1.1\r\nHost: a",
        head(b"Host: b"),
        head(b"X-A : b"),
        head(b": b"),
        head(b"X-A"),
        head(b" X-A: b"),
        head(b"\tX-A: b"),
        head(b"X-A: b\x00"),
        head(b"X-A: b\nX-B: c"),
        head(b"X-A: b\rX-B: c"),
        head(b"X-A: b\r"),
        head(b"Content-Length: 1", b"Content-Length: 1"),
        head(b"Content-Length: 1,1"),
        head(b"Content-Length: 0x1"),
        head(b"Content-Length: -1"),
        head(b"Content-Length: +1"),
        head(b"Content-Length: 1_0"),
        head(b"Content-Length: \xb2"),
        head(b"Content-Length:"),
        head(b"Content-Length: " + b"9" * 19),
        head(b"Content-Length: 1", b"Transfer-Encoding: chunked"),
        head(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"),
        head(b"Transfer-Encoding: chunked, chunked"),
        head(b"Transfer-Encoding: identity"),
        head(b"Transfer-Encoding:"),
        head(b"Transfer-Encoding: chunked", first=b"GET / HTTP/1.0"),
    ],
)
def test_what_is_no_head_is_refused(data):
    with pytest.raises(BadRequestError, match="; expected "):
        parse(data)


@pytest.mark.parametrize("data", [b"\x16\x03\x01", b" GET", b"\r\n", b"GET / HTTP/1.1\nHost"])
def test_hopeless_beginning_is_known_before_the_end(data):
    with pytest.raises(BadRequestError):
        check_beginning(data)


@pytest.mark.parametrize("data", [b"", b"G", b"GET / HTTP/1.1\r", b"GET / HTTP/1.1\r\nHo"])
def test_beginning_of_a_head_is_none_to_refuse(data):
    check_beginning(data)
