import asyncio
import re

import pytest
from starlette.requests import ClientDisconnect

from preannotate.serving.body_budget import BodyBudget
from preannotate.serving.errors import BodyTooLarge, BodyTooSlow, TooManyBytes

pytestmark = pytest.mark.anyio


def sending(*chunks: bytes, ending: bool = True):
    messages = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
    if ending:
        messages[-1]["more_body"] = False

    async def receive():
        if messages:
            return messages.pop(0)
        return await asyncio.get_running_loop().create_future()

    return receive


async def test_body_is_counted_as_long_as_it_is_used():
    body_budget = BodyBudget()
    async with body_budget.read(sending(b"ab", b"", b"cde"), "echo", 5, 0) as body:
        assert body == b"abcde"
        assert body_budget.held == 5
        async with body_budget.read(sending(b"xy"), "echo", 5, 2):
            assert body_budget.held == 7
        assert body_budget.held == 5
    assert body_budget.held == 0


async def test_body_over_the_functions_limit_is_refused_when_it_is_announced_and_when_it_comes():
    body_budget = BodyBudget()
    sentence = (
        "echo: the body is larger than 4 bytes; expected at most that. "
        "Send a smaller image, or raise maxRequestBodySize in function.yaml."
    )
    for receive, declared in ((sending(b"", ending=False), 5), (sending(b"abc", b"de"), 0)):
        with pytest.raises(BodyTooLarge, match=f"^{re.escape(sentence)}$"):
            async with body_budget.read(receive, "echo", 4, declared):
                pass
        assert body_budget.held == 0


async def test_body_for_which_others_leave_no_room_is_refused_when_it_is_announced_and_when_it_comes():
    body_budget = BodyBudget(limit=10)
    sentence = (
        "echo: the server already holds request bodies of 7 bytes; expected at most 10 bytes with this one. "
        "Try again later."
    )
    async with body_budget.read(sending(b"1234567"), "echo", 100, 0):
        for receive, declared in ((sending(b"", ending=False), 4), (sending(b"ab", b"cd"), 0)):
            with pytest.raises(TooManyBytes, match=f"^{re.escape(sentence)}$"):
                async with body_budget.read(receive, "echo", 100, declared):
                    pass
        async with body_budget.read(sending(b"abc"), "echo", 100, 3):
            assert body_budget.held == 10
    assert body_budget.held == 0


async def test_one_client_leaves_a_quarter_to_others():
    body_budget = BodyBudget(limit=12)
    sentence = (
        "echo: the server already holds request bodies of 3 bytes from this address; expected at most 9 bytes with "
        "this one. Try again later."
    )
    async with body_budget.read(sending(b"123"), "echo", 100, 0, "203.0.113.1"):
        for receive, declared in ((sending(b"", ending=False), 7), (sending(b"abcd", b"efg"), 0)):
            with pytest.raises(TooManyBytes, match=f"^{re.escape(sentence)}$"):
                async with body_budget.read(receive, "echo", 100, declared, "203.0.113.1"):
                    pass
        async with body_budget.read(sending(b"123456789"), "echo", 100, 9, "203.0.113.2"):
            assert body_budget.held == 12
    assert body_budget.held == 0


async def test_body_that_is_alone_may_be_as_large_as_its_function_allows():
    body_budget = BodyBudget(limit=2)
    async with body_budget.read(sending(b"abc", b"def"), "echo", 6, 6) as body:
        assert body == b"abcdef"


async def test_body_that_stops_coming_is_given_up():
    body_budget = BodyBudget(seconds=0.02)
    sentence = (
        "echo: the body did not arrive within 0.02 s (only 3 bytes did); expected the whole body. Send a smaller image."
    )
    with pytest.raises(BodyTooSlow, match=f"^{re.escape(sentence)}$"):
        async with body_budget.read(sending(b"abc", ending=False), "echo", 6, 6):
            pass
    assert body_budget.held == 0


async def test_time_is_that_of_arrival_and_not_of_work():
    async with BodyBudget(seconds=0.02).read(sending(b"abc"), "echo", 6, 3) as body:
        await asyncio.sleep(0.05)
        assert body == b"abc"


async def test_client_that_hangs_up_is_noticed():
    async def receive():
        return {"type": "http.disconnect"}

    with pytest.raises(ClientDisconnect):
        async with BodyBudget().read(receive, "echo", 6, 3):
            pass
