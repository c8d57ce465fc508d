"""The token: who is let in, by which header, to which pages."""

import base64

import httpx
import pytest

pytestmark = pytest.mark.anyio

TOKEN = "0123456789abcdefgh"
REFUSED = {"error": "Authorization: missing or wrong token; expected the token of this server."}


def basic(text: bytes) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(text).decode()}


ADMITTED = [
    {"Authorization": f"Bearer {TOKEN}"},
    {"authorization": f"bearer  {TOKEN}"},
    basic(f"cvat:{TOKEN}".encode()),
    basic(f":{TOKEN}".encode()),
]
NOT_ADMITTED = [
    {},
    {"Authorization": ""},
    {"Authorization": TOKEN},
    {"Authorization": "Bearer"},
    {"Authorization": f"Bearer {TOKEN}x"},
    {"Authorization": f"Bearer {TOKEN[:-1]}"},
    {"Authorization": f"Bearer {TOKEN.upper()}"},
    {"Authorization": f"Digest {TOKEN}"},
    {"Authorization": "Basic \xff\xfe".encode("latin-1")},
    {"Authorization": "Basic !!!"},
    basic(TOKEN.encode()),
    basic(f"{TOKEN}:".encode()),
    basic(b"cvat:\xff\xfe"),
]


async def everything(server, client: httpx.AsyncClient, headers) -> list[httpx.Response]:
    port = server.registry.functions["echo"].port
    call = {**headers, "x-nuclio-function-name": "echo"}
    return [
        await client.get("/api/functions", headers=headers),
        await client.get("/api/functions/echo", headers=headers),
        await client.post("/api/function_invocations", headers=call, json=1),
        await client.post(f"http://127.0.0.1:{port}/", headers=headers, json=1),
    ]


async def test_whoever_has_the_token_is_answered_and_nobody_else(write_function, live):
    write_function("echo")
    async with live(token=TOKEN) as server, httpx.AsyncClient(base_url=server.url) as client:
        for headers in ADMITTED:
            assert [reply.status_code for reply in await everything(server, client, headers)] == [200] * 4
        for headers in NOT_ADMITTED:
            for reply in await everything(server, client, headers):
                assert (reply.status_code, reply.json()) == (401, REFUSED)
                assert reply.headers["www-authenticate"] == 'Basic realm="preannotate"'
        assert (await client.get("/nope")).status_code == 401


async def test_probes_need_no_token_and_learn_little(write_function, live):
    write_function("echo")
    async with live(token=TOKEN) as server, httpx.AsyncClient(base_url=server.url) as client:
        port = server.registry.functions["echo"].port

        assert (await client.get("/healthz")).json() == {"status": "ok"}
        assert set((await client.get("/healthz", headers=ADMITTED[0])).json()) == {"status", "functions", "problems"}
        inside = await client.get(f"http://127.0.0.1:{port}/__internal/health")
        assert (inside.status_code, inside.content) == (200, b"")


async def test_handler_does_not_see_the_token(write_function, live):
    main = """
import os
def handler(context, event):
    return repr(event.headers) + repr(dict(os.environ))
"""
    write_function("echo", main)
    async with live(token=TOKEN) as server, httpx.AsyncClient(base_url=server.url) as client:
        for headers in ADMITTED:
            for reply in (await everything(server, client, headers))[2:]:
                assert reply.status_code == 200
                assert "authorization" not in reply.text.lower()
                assert TOKEN not in reply.text


async def test_large_body_without_a_token_reads_its_refusal(write_function, live):
    write_function("echo")
    async with live(token=TOKEN) as server:
        for ending in (b"", b"Connection: close\r\n"):
            told = await server.send(
                b"POST /api/function_invocations HTTP/1.1\r\nHost: a\r\n" + ending + b"Content-Length: 5000000\r\n\r\n",
                bytes(5_000_000),
                *([] if ending else [b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"]),
            )
            assert told.startswith(b"HTTP/1.1 401 Unauthorized\r\n")
            assert server.body_budget.held == 0


async def test_authorization_reaches_the_handler_where_no_token_is_set(write_function, live):
    write_function("echo", "def handler(context, event): return event.headers['Authorization']\n")
    async with live() as server, httpx.AsyncClient(base_url=server.url) as client:
        assert (await everything(server, client, {"Authorization": "Bearer own"}))[2].text == "Bearer own"
