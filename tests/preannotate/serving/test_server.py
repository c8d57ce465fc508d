"""The port of each function."""

import socket

import httpx
import pytest

pytestmark = pytest.mark.anyio


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def set_port(port):
    def change(content):
        content["spec"]["triggers"]["myHttpTrigger"]["attributes"]["port"] = port

    return change


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
