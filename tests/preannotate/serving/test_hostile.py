"""Requests that no honest client sends: each gets an answer below 500 or none, and the next is answered as ever."""

import asyncio
import logging
import random
import re

import httpx
import pytest

from preannotate.serving.body_budget import BodyBudget
from preannotate.serving.connection_limiter import ConnectionLimiter

pytestmark = pytest.mark.anyio

CALL = b"POST /api/function_invocations HTTP/1.1\r\nHost: a\r\nx-nuclio-function-name: echo\r\n"
CLOSE = b"Connection: close\r\n"
LIST = b"GET /api/functions HTTP/1.1\r\nHost: a\r\n" + CLOSE


def call(*headers: bytes, body: bytes = b"") -> bytes:
    lines = b"".join(header + b"\r\n" for header in headers)
    return CALL + CLOSE + lines + b"Content-Length: %d\r\n\r\n" % len(body) + body


def chunked(rest: bytes) -> bytes:
    return CALL + CLOSE + b"Transfer-Encoding: chunked\r\n\r\n" + rest


# name: (what is sent, the first status that comes back; None where the server hangs up without a word).
# A bare 200 is an answer of the handler, which has to cope with any body.
CORPUS = {
    "nothing at all": (b"\r\n" * 3 + b"\x00", 400),
    "TLS instead of HTTP": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64), 400),
    "SSH instead of HTTP": (b"SSH-2.0-OpenSSH_9.2\r\n", None),
    "HTTP/2 without asking": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    "random bytes": (random.Random(5).randbytes(3000) + b"\r\n\r\n", 400),
    "HTTP/0.9": (b"GET /api/functions\r\n\r\n", 400),
    "HTTP/9.9": (LIST.replace(b"1.1", b"9.9") + b"\r\n", 400),
    "HTTP/1.0": (b"GET /api/functions HTTP/1.0\r\n\r\n", 200),
    "no host": (b"GET /api/functions HTTP/1.1\r\n\r\n", 400),
    "two hosts": (b"GET /api/functions HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    "a host that is no address": (b"GET /nope HTTP/1.1\r\nHost: [\r\n" + CLOSE + b"\r\n", 404),
    "a host with an impossible port": (call(body=b"x").replace(b"Host: a", b"Host: a:99999999"), 200),
    "a call to a host that is no address": (call(body=b"x").replace(b"Host: a", b"Host: [::::]]:x"), 200),
    "a call with an empty host": (call(body=b"x").replace(b"Host: a", b"Host:"), 200),
    "a path of 15 KB": (b"GET /" + b"a" * 15_000 + b" HTTP/1.1\r\nHost: a\r\n" + CLOSE + b"\r\n", 404),
    "a path of 1 MB": (b"GET /" + b"a" * 1_000_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "a path out of the tree": (b"GET /api/functions/../../etc/passwd HTTP/1.1\r\nHost: a\r\n" + CLOSE + b"\r\n", 404),
    "an encoded path out of the tree": (
        b"GET /api/functions/..%2f..%2fetc HTTP/1.1\r\nHost: a\r\n" + CLOSE + b"\r\n", 404,
    ),
    "a path that is not UTF-8": (b"GET /%ff%fe%00 HTTP/1.1\r\nHost: a\r\n" + CLOSE + b"\r\n", 404),
    "bytes in the path": (b"GET /\xff\xfe HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "a path that ends in a slash": (b"GET /api/functions/ HTTP/1.1\r\nHost: evil\r\n" + CLOSE + b"\r\n", 404),
    "a whole address as path": (b"GET http://evil/ HTTP/1.1\r\nHost: a\r\n" + CLOSE + b"\r\n", 404),
    "a query of rubbish": (LIST.replace(b" HTTP", b"?a=%ff&&=&%%%&b=%00 HTTP") + b"\r\n", 200),
    "a call with a query of rubbish": (call(body=b"x").replace(b" HTTP", b"?a=%ff&&=&%%%&b=%00 HTTP"), 200),
    "an unknown method": (b"BREW /api/functions HTTP/1.1\r\nHost: a\r\n" + CLOSE + b"\r\n", 405),
    "a call by GET": (CALL.replace(b"POST", b"GET") + CLOSE + b"\r\n", 405),
    "a call by PUT": (CALL.replace(b"POST", b"PUT") + CLOSE + b"Content-Length: 1\r\n\r\nx", 405),
    "DELETE": (LIST.replace(b"GET", b"DELETE") + b"\r\n", 405),
    "HEAD": (LIST.replace(b"GET", b"HEAD") + b"\r\n", 200),
    "OPTIONS *": (b"OPTIONS * HTTP/1.1\r\nHost: a\r\n" + CLOSE + b"\r\n", 404),
    "CONNECT": (b"CONNECT evil:443 HTTP/1.1\r\nHost: evil:443\r\n" + CLOSE + b"\r\n", 404),
    "a method of 1 MB": (b"A" * 1_000_000 + b" / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "a method in lower case": (LIST.replace(b"GET", b"get") + b"\r\n", 405),
    "a header of 1 MB": (LIST + b"X-Long: " + b"a" * 1_000_000 + b"\r\n\r\n", 400),
    "100,000 headers": (LIST + b"".join(b"X-%d: a\r\n" % number for number in range(100_000)) + b"\r\n", 400),
    "500 headers": (LIST + b"".join(b"X-%d: a\r\n" % number for number in range(500)) + b"\r\n", 200),
    "a header without a colon": (LIST + b"nonsense\r\n\r\n", 400),
    "a header without a name": (LIST + b": value\r\n\r\n", 400),
    "a space before the colon": (LIST + b"X-A : b\r\n\r\n", 400),
    "a folded header": (LIST + b"X-A: b\r\n c\r\n\r\n", 400),
    "a zero byte in a header": (LIST + b"X-A: b\x00c\r\n\r\n", 400),
    "a header that is not UTF-8": (call(b"X-Own-Header: \xff\xfe\xc3", body=b"x"), 200),
    "a header name that is not ASCII": (LIST + b"X-\xc3\xa4: b\r\n\r\n", 400),
    "a function's name that is not UTF-8": (call().replace(b"name: echo", b"name: \xff\xc3"), 404),
    "a function's name out of the tree": (call(body=b"").replace(b"name: echo", b"name: ../../etc"), 404),
    "a function's name of 10 KB": (call(body=b"").replace(b"name: echo", b"name: " + b"a" * 10_000), 404),
    "an empty function's name": (call(body=b"").replace(b"name: echo", b"name:"), 400),
    "no function's name": (call(body=b"").replace(b"x-nuclio-function-name: echo\r\n", b""), 400),
    "two functions' names": (call(b"x-nuclio-function-name: other", body=b"x"), 200),
    "a path for the handler that is no path": (call(b"x-nuclio-path: \xff ?#%%", body=b"x"), 200),
    "a patience that is no time": (call(b"X-Nuclio-Invoke-Timeout: soon", body=b"x"), 200),
    "a negative patience": (call(b"X-Nuclio-Invoke-Timeout: -5s", body=b"x"), 200),
    "an endless patience": (call(b"X-Nuclio-Invoke-Timeout: " + b"9" * 400 + b"h", body=b"x"), 200),
    "a patience of centuries": (call(b"X-Nuclio-Invoke-Timeout: " + b"9" * 30 + b"h", body=b"x"), 200),
    "no content type": (call(body=b"{}"), 200),
    "two content types": (call(b"Content-Type: a/b", b"Content-Type: application/json", body=b"{}"), 200),
    "a content type of rubbish": (call(b"Content-Type: \xff;;=\"\\", body=b"{}"), 200),
    "a content type with a charset": (call(b"Content-Type: application/json; charset=utf-8", body=b"{}"), 200),
    "a charset that does not exist": (call(b"Content-Type: application/json; charset=klingon", body=b"{}"), 200),
    "a form": (call(b"Content-Type: multipart/form-data; boundary=x", body=b"--x--"), 200),
    "JSON that is none": (call(b"Content-Type: application/json", body=b"{"), 200),
    "JSON that is not UTF-8": (call(b"Content-Type: application/json", body=b'"\xff"'), 200),
    "deep JSON": (call(b"Content-Type: application/json", body=b"[" * 99_000), 200),
    "a gzip that is none": (call(b"Content-Encoding: gzip", body=b"x"), 200),
    "a body over the limit": (call(body=bytes(100_001)), 413),
    "a body far over the limit": (call(body=bytes(3_000_000)), 413),
    "a body that is announced over the limit": (CALL + CLOSE + b"Content-Length: 99999999999\r\n\r\n", 413),
    "a length of 30 digits": (CALL + CLOSE + b"Content-Length: " + b"9" * 30 + b"\r\n\r\n", 400),
    "a negative length": (CALL + CLOSE + b"Content-Length: -1\r\n\r\n", 400),
    "a length that is no number": (CALL + CLOSE + b"Content-Length: 1e3\r\n\r\n", 400),
    "two lengths that differ": (CALL + CLOSE + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx", 400),
    "a length and chunks": (
        chunked(b"1\r\nx\r\n0\r\n\r\n").replace(b"Transfer", b"Content-Length: 9\r\nTransfer"), 400,
    ),
    "chunks": (chunked(b"3\r\nabc\r\n2\r\nde\r\n0\r\nX-Trailer: 1\r\n\r\n"), 200),
    "a chunk extension": (chunked(b"3\r\nabc\r\n2;a=b\r\nde\r\n0\r\n\r\n"), 400),
    "a chunk that ends in a bare LF": (chunked(b"3\nabc\r\n0\r\n\r\n"), 400),
    "a folded trailer": (chunked(b"1\r\nx\r\n0\r\nX: 1\r\n 2\r\n\r\n"), 400),
    "a chunk for each byte": (chunked(b"1\r\nx\r\n" * 20_000 + b"0\r\n\r\n"), 400),
    "the same length twice": (CALL + CLOSE + b"Content-Length: 1\r\nContent-Length: 1\r\n\r\nx", 400),
    "a list of lengths": (CALL + CLOSE + b"Content-Length: 1, 1\r\n\r\nx", 400),
    "a length with a sign": (CALL + CLOSE + b"Content-Length: +1\r\n\r\nx", 400),
    "chunks in HTTP/1.0": (chunked(b"1\r\nx\r\n0\r\n\r\n").replace(b"1.1", b"1.0"), 400),
    "lines that end in a bare LF": (LIST.replace(b"\r\n", b"\n") + b"\n", 400),
    "one line that ends in a bare LF": (LIST + b"X-A: b\nX-B: c\r\n\r\n", 400),
    "a bare CR in a header": (LIST + b"X-A: b\rContent-Length: 3\r\n\r\n", 400),
    "a space in front of a header": (LIST.replace(b"Host", b" Host") + b"\r\n", 400),
    "two spaces in the first line": (LIST.replace(b"GET ", b"GET  ") + b"\r\n", 400),
    "chunks over the limit": (chunked(b"2000\r\n" + bytes(0x2000) + b"\r\n") + b"2000\r\n" + bytes(0x2000)
                              + b"\r\n" + b"20000\r\n" + bytes(0x20000) + b"\r\n0\r\n\r\n", 413),
    "a chunk whose length is no number": (chunked(b"xyz\r\nabc\r\n0\r\n\r\n"), 400),
    "a chunk of a huge length": (chunked(b"F" * 18 + b"\r\nabc"), 400),
    "a chunk of an endless length": (chunked(b"F" * 100 + b"\r\nabc"), 400),
    "a chunk that is longer than it says": (chunked(b"1\r\nabcdef\r\n0\r\n\r\n"), 400),
    "an endless chunk extension": (chunked(b"1;" + b"a" * 100_000), 400),
    "an unknown transfer encoding": (CALL + CLOSE + b"Transfer-Encoding: gzip\r\n\r\nx", 400),
    "two transfer encodings": (CALL + CLOSE + b"Transfer-Encoding: gzip, chunked\r\n\r\nx", 400),
    "expecting to be told": (CALL + CLOSE + b"Expect: 100-continue\r\nContent-Length: 1\r\n\r\nx", 100),
    "expecting to be told, over the limit": (
        CALL + CLOSE + b"Expect: 100-continue\r\nContent-Length: 100001\r\n\r\n", 413,
    ),
    "expecting the impossible": (CALL + CLOSE + b"Expect: wonders\r\nContent-Length: 1\r\n\r\nx", 200),
    "an upgrade to a websocket": (
        LIST.replace(CLOSE, b"Connection: upgrade, close\r\n") + b"Upgrade: websocket\r\n\r\n", 200,
    ),
    "a password where none is asked": (LIST + b"Authorization: Basic !!!\r\n\r\n", 200),
}  # fmt: skip


@pytest.fixture
def echo(write_function):
    write_function("echo")


def statuses(answer: bytes) -> list[int]:
    return [int(found) for found in re.findall(rb"HTTP/1\.1 (\d{3})", answer)]


async def test_each_gets_its_answer_and_the_server_goes_on_with_the_same_worker(echo, live, caplog):
    caplog.set_level(logging.WARNING)
    hasty = live(BodyBudget(seconds=0.3), ConnectionLimiter(head_seconds=0.3, rest_seconds=0.3))
    async with hasty as server, httpx.AsyncClient(base_url=server.url) as client:
        good = {"headers": {"x-nuclio-function-name": "echo"}, "json": 1}
        worker = (await client.post("/api/function_invocations", **good)).json()["pid"]
        found = {}
        for name, (sent, _) in CORPUS.items():
            answer = await server.send(sent)
            assert b"Traceback" not in answer, name
            found[name] = next(iter(statuses(answer)), None)
        after = (await client.post("/api/function_invocations", **good)).json()

    wrong = {name: (found[name], status) for name, (_, status) in CORPUS.items() if found[name] != status}
    assert wrong == {}
    assert after["pid"] == worker
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []
    assert (server.limiter.open, server.body_budget.held) == (0, 0)


async def test_a_functions_own_port_is_as_patient(echo, live):
    async with live(BodyBudget(seconds=0.3), ConnectionLimiter(head_seconds=0.3, rest_seconds=0.3)) as server:
        port = server.registry.functions["echo"].port
        found = {}
        for name, (sent, _) in CORPUS.items():
            answer = await server.send(sent, port=port)
            found[name] = next(iter(statuses(answer)), None)
        tunnel = await server.send(b"CONNECT evil:443 HTTP/1.1\r\nHost: evil:443\r\n" + CLOSE + b"\r\n", port=port)
        last = await server.send(b"POST / HTTP/1.1\r\nHost: a\r\n" + CLOSE + b"Content-Length: 1\r\n\r\nx", port=port)

    assert {name for name, status in found.items() if status is not None and status >= 500} == set()
    assert statuses(tunnel) == [405]
    assert statuses(last) == [200]


async def test_an_upload_that_is_given_up_costs_nothing(echo, live):
    async with live() as server:
        for announced in (b"Content-Length: 1000", b"Transfer-Encoding: chunked"):
            _, writer = await asyncio.open_connection("127.0.0.1", server.listener.port)
            writer.write(CALL + announced + b"\r\n\r\n3E8\r\nabc")
            await writer.drain()
            while not server.body_budget.held:
                await asyncio.sleep(0.01)
            writer.close()
            while server.body_budget.held:
                await asyncio.sleep(0.01)

        assert statuses(await server.send(call(body=b"x"))) == [200]


async def test_requests_in_one_go_are_answered_in_their_order(echo, live):
    async with live() as server:
        many = [CALL + b"X-Own-Header: %d\r\nContent-Length: 1\r\n\r\nx" % number for number in range(20)]
        answer = await server.send(b"".join(many) + LIST + b"\r\n")

        assert statuses(answer) == [200] * 21
        assert re.findall(rb'"header": "(\d+)"', answer) == [b"%d" % number for number in range(20)]


async def test_one_connection_may_ask_again_and_again(echo, live):
    async with live() as server, httpx.AsyncClient(base_url=server.url) as client:
        for _ in range(20):
            assert (await client.get("/api/functions")).status_code == 200
            assert (await client.get("/nope")).status_code == 404

        assert server.limiter.open == 1


async def test_what_leaves_open_where_a_request_ends_ends_the_connection(echo, live):
    """The next request may be one that a proxy in front took for a part of the body."""
    hidden = b"GET /api/functions HTTP/1.1\r\nHost: a\r\n\r\n"
    both = CALL + b"Content-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" % (5 + len(hidden)) + hidden
    doubts = {
        "a length and chunks": both,
        "chunks and a length": both.replace(b"a\r\n", b"a\r\nTransfer-Encoding: chunked\r\n", 1),
        "two lengths": CALL + b"Content-Length: 0\r\nContent-Length: 0\r\n\r\n" + hidden,
        "a hidden name": CALL + b"Content-Length: 0\r\nTransfer-Encoding : chunked\r\n\r\n" + hidden,
        "a folded name": CALL + b"X: y\r\n Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n" + hidden,
        "a vertical tab": CALL + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n" + hidden,
        "an encoding twice": CALL + b"Transfer-Encoding: chunked\r\n" * 2 + b"\r\n0\r\n\r\n" + hidden,
        "a bare LF": CALL + b"X: y\nContent-Length: 0\r\n\r\n" + hidden,
        "an extension": CALL + b"Transfer-Encoding: chunked\r\n\r\n0;x\r\n\r\n" + hidden,
    }
    async with live(limiter=ConnectionLimiter(rest_seconds=0.3)) as server:
        found = {name: statuses(await server.send(sent)) for name, sent in doubts.items()}

        assert {name: answered for name, answered in found.items() if answered != [400]} == {}


async def test_request_whose_client_sends_no_more_is_answered_all_the_same(echo, live):
    async with live() as server:
        for sent in (LIST + b"\r\n", call(body=b"x"), LIST + b"\r\n" + call(body=b"x")):
            reader, writer = await asyncio.open_connection("127.0.0.1", server.listener.port)
            writer.write(sent.replace(CLOSE, b"", 1))
            writer.write_eof()

            async with asyncio.timeout(5):
                assert set(statuses(await reader.read())) == {200}
        while server.limiter.open:
            await asyncio.sleep(0.01)
