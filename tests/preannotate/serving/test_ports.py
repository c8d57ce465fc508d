import re
import socket

import httpx
import pytest
from starlette.responses import PlainTextResponse

from preannotate.serving.errors import ServeError
from preannotate.serving.ports import Listener, bind_socket, is_loopback

pytestmark = pytest.mark.anyio


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def set_port(port):
    def change(content):
        content["spec"]["triggers"]["myHttpTrigger"]["attributes"]["port"] = port

    return change


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


async def test_function_gets_the_port_it_asks_for(write_function, serving):
    port = free_port()
    write_function("echo", change=set_port(port))
    async with serving() as (registry, _):
        assert registry.functions["echo"].port == port


async def test_function_gets_another_port_if_its_own_is_taken(write_function, serving, caplog):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        write_function("echo", change=set_port(port))
        async with serving() as (registry, _):
            other = registry.functions["echo"].port
            async with httpx.AsyncClient() as client:
                answer = await client.get(f"http://127.0.0.1:{other}/")

    assert other != port
    assert answer.status_code == 200
    assert f"echo: port {port} is in use; direct calls get a free one." in caplog.text


async def test_function_that_asks_for_another_port_moves(write_function, serving):
    old, new = free_port(), free_port()
    write_function("echo", change=set_port(old))
    async with serving() as (registry, _):
        write_function("echo", change=set_port(new))
        await registry.scan()
        await registry.scan()

        assert registry.functions["echo"].port == new
