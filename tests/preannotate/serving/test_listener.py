"""A listener, and clients that connect and do not get anywhere."""

import asyncio
import re
import socket

import httpx
import pytest
from starlette.responses import PlainTextResponse

from preannotate.serving import listener
from preannotate.serving.body_budget import BodyBudget
from preannotate.serving.connection_limiter import ConnectionLimiter
from preannotate.serving.errors import ServeError
from preannotate.serving.listener import Listener, bind_socket, is_loopback

pytestmark = pytest.mark.anyio

LIST = b"GET /api/functions HTTP/1.1\r\nHost: a\r\n\r\n"
CALL = b"POST /api/function_invocations HTTP/1.1\r\nHost: a\r\nx-nuclio-function-name: echo\r\n"


async def connect(server) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", server.listener.port)


async def until_hung_up(reader: asyncio.StreamReader) -> bytes:
    async with asyncio.timeout(10):
        try:
            return await reader.read(-1)
        except ConnectionError:
            return b""


async def answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(re.search(rb"content-length: (\d+)", head)[1])
    return int(head.split()[1]), await reader.readexactly(length)


@pytest.mark.parametrize("beginning", [b"", b"GE", LIST[:-2]])
async def test_client_that_never_finishes_its_head_is_cut_off(live, beginning):
    async with live(limiter=ConnectionLimiter(head_seconds=0.2)) as server:
        reader, writer = await connect(server)
        writer.write(beginning)

        assert await until_hung_up(reader) == b""
        assert server.limiter.open == 0


async def test_drops_do_not_put_the_end_off(live):
    async with live(limiter=ConnectionLimiter(head_seconds=0.3)) as server:
        reader, writer = await connect(server)

        async def drip():
            for byte in LIST[:-2] * 50:
                writer.write(bytes([byte]))
                await asyncio.sleep(0.02)

        dripping = asyncio.create_task(drip())
        assert await until_hung_up(reader) == b""
        assert not dripping.done()
        dripping.cancel()


async def test_second_request_on_a_connection_must_not_dawdle_either(live):
    async with live(limiter=ConnectionLimiter(head_seconds=0.2)) as server:
        reader, writer = await connect(server)
        writer.write(LIST)
        assert await answer(reader) == (200, b"{}")
        await asyncio.sleep(0.4)  # between requests it may rest
        writer.write(LIST)
        assert await answer(reader) == (200, b"{}")
        writer.write(LIST[:9])

        assert await until_hung_up(reader) == b""


async def test_body_that_never_comes_is_408(write_function, live):
    write_function("echo")
    async with live(BodyBudget(seconds=0.2)) as server:
        reader, writer = await connect(server)
        writer.write(CALL + b"Content-Length: 100\r\n\r\nabc")

        assert await answer(reader) == (
            408,
            b'{"error": "echo: the body did not arrive within 0.2 s (only 3 bytes did); expected the whole body. '
            b'Send a smaller image."}',
        )
        assert server.body_budget.held == 0


async def test_client_that_sends_on_after_its_answer_is_cut_off(write_function, live):
    write_function("echo")
    async with live(limiter=ConnectionLimiter(rest_seconds=0.3)) as server:
        for ending in (b"", b"Connection: close\r\n"):
            reader, writer = await connect(server)
            writer.write(CALL + ending + b"Transfer-Encoding: chunked\r\n\r\n")

            async def send_on(writer=writer):
                while True:
                    writer.write(b"8000\r\n" + bytes(0x8000) + b"\r\n")
                    await writer.drain()
                    await asyncio.sleep(0.005)

            sending = asyncio.create_task(send_on())
            assert (await answer(reader))[0] == 413
            await until_hung_up(reader)
            sending.cancel()
            await asyncio.wait([sending])
            writer.close()
            while server.limiter.open:
                await asyncio.sleep(0.01)


async def test_upload_that_is_refused_may_end_and_the_connection_goes_on(write_function, live):
    write_function("echo")
    async with live() as server:
        reader, writer = await connect(server)
        for _ in range(2):
            writer.write(CALL + b"Content-Length: 2000000\r\n\r\n" + bytes(2_000_000))
            await writer.drain()  # as a client that reads no answer before it has sent all
            assert (await answer(reader))[0] == 413
        writer.write(CALL + b"Content-Length: 1\r\n\r\nx")
        assert (await answer(reader))[0] == 200
        writer.close()


async def begin_upload(server) -> asyncio.StreamWriter:
    """A connection that is not idle."""
    busy = server.body_budget.held
    _, writer = await connect(server)
    writer.write(CALL + b"Content-Length: 2\r\n\r\nx")
    while server.body_budget.held == busy:
        await asyncio.sleep(0.01)
    return writer


async def test_one_connection_too_many_is_told_so(write_function, live):
    write_function("echo")
    async with live(limiter=ConnectionLimiter(limit=2)) as server:
        first, second = await begin_upload(server), await begin_upload(server)
        third, _ = await connect(server)

        told = await until_hung_up(third)
        assert told.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
        assert b"\r\nRetry-After: 1\r\n" in told
        assert told.endswith(b'\r\n\r\n{"error": "too many connections; expected fewer. Try again later."}')

        first.close()
        while server.limiter.open == 2:
            await asyncio.sleep(0.01)
        again, writer = await connect(server)
        writer.write(LIST)
        assert (await answer(again))[0] == 200
        second.close()


async def test_connections_that_are_only_held_make_room(live):
    async with live(limiter=ConnectionLimiter(limit=3)) as server:
        held = [await connect(server) for _ in range(3)]
        while server.limiter.open < 3:
            await asyncio.sleep(0.01)
        for _ in range(5):
            reader, writer = await connect(server)
            writer.write(LIST)
            assert await answer(reader) == (200, b"{}")

        assert await until_hung_up(held[0][0]) == b""
        assert server.limiter.open <= 3


async def test_answer_that_is_read_in_drops_ends_in_time(write_function, live):
    write_function("echo", "def handler(context, event): return 'x' * 20_000_000\n")
    async with live(limiter=ConnectionLimiter(read_seconds=0.3)) as server:
        _, writer = await connect(server)
        writer.write(CALL + b"Content-Length: 1\r\n\r\nx")
        writer.transport.pause_reading()
        while not server.limiter.open:
            await asyncio.sleep(0.01)
        async with asyncio.timeout(10):
            while server.limiter.open:
                await asyncio.sleep(0.01)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="no TCP_USER_TIMEOUT on this system")
async def test_client_that_does_not_read_its_answer_is_given_up(write_function, live, monkeypatch):
    monkeypatch.setattr(listener, "_UNREAD_MILLISECONDS", 500)
    write_function("echo", "def handler(context, event): return 'x' * 20_000_000\n")
    async with live() as server:
        loop = asyncio.get_running_loop()
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.setblocking(False)
            await loop.sock_connect(client, ("127.0.0.1", server.listener.port))
            await loop.sock_sendall(client, CALL + b"Content-Length: 1\r\n\r\nx")
            async with asyncio.timeout(30):
                while not server.limiter.open:
                    await asyncio.sleep(0.01)
                while server.limiter.open:
                    await asyncio.sleep(0.05)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_loopback_is_known(host):
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "172.17.0.1", "example.org", ""])
def test_anything_else_may_be_reached_from_outside(host):
    assert not is_loopback(host)


async def test_listener_answers_until_it_is_closed():
    listener = Listener(PlainTextResponse("here"), "127.0.0.1", 0)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{listener.port}") as client:
        assert (await client.get("/")).text == "here"
        await listener.close()
        with pytest.raises(httpx.ConnectError):
            await client.get("/")


async def test_port_in_use_is_a_sentence():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        sentence = (
            f"127.0.0.1:{port}: Address already in use; expected a free port of this machine. "
            f"Stop what uses it, or choose another with --host and --port."
        )
        with pytest.raises(ServeError, match=f"^{re.escape(sentence)}$"):
            Listener(PlainTextResponse("here"), "127.0.0.1", port)


async def test_unknown_host_is_a_sentence():
    with pytest.raises(ServeError, match=r"^999\.1\.1\.1:0: .+; expected a free port of this machine\. "):
        bind_socket("999.1.1.1", 0)


async def test_protocol_is_named_so_that_asyncio_sends_answers_at_once():
    with bind_socket("127.0.0.1", 0) as opened:
        assert opened.proto == socket.IPPROTO_TCP


async def test_stranger_without_the_token_takes_no_place_and_no_memory(write_function, live):
    write_function("echo")
    limiter = ConnectionLimiter(limit=2, rest_seconds=5)
    async with live(limiter=limiter, token="a-token-of-many-characters") as server:
        uploads = []
        for _ in range(4):  # more than may be open: each newcomer takes the place of one that was refused
            reader, writer = await connect(server)
            writer.write(CALL + b"Content-Length: 50000\r\n\r\nabc")
            assert (await answer(reader))[0] == 401
            uploads.append(writer)
        assert server.body_budget.held == 0
        reader, writer = await connect(server)
        writer.write(CALL + b"Authorization: Bearer a-token-of-many-characters\r\nContent-Length: 1\r\n\r\nx")

        assert (await answer(reader))[0] == 200
        for upload in uploads:
            upload.close()
