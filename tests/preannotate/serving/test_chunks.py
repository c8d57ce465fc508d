"""Bodies in chunks, however they are cut on their way."""

import pytest

from preannotate.serving.chunks import ChunkedBody
from preannotate.serving.request_head import BadRequestError

WHOLE = b"3\r\nabc\r\n0A\r\n0123456789\r\n0\r\nX-Trailer: 1\r\n\r\n"


def take(data: bytes, step: int) -> tuple[bytes, bytes, bool]:
    """The body, what was left over, and whether it ended, of data that comes in pieces of `step` bytes."""
    chunks, waiting, body = ChunkedBody(), b"", b""
    for start in range(0, len(data), step):
        waiting += data[start : start + step]
        used, pieces = chunks.take(memoryview(waiting))
        waiting, body = waiting[used:], body + b"".join(pieces)
    return body, waiting, chunks.ended


@pytest.mark.parametrize("step", [1, 2, 3, 7, 1000])
def test_body_is_the_same_however_it_comes(step):
    assert take(WHOLE + b"GET", step) == (b"abc0123456789", b"GET", True)
    assert take(b"0\r\n\r\nGET", step) == (b"", b"GET", True)


def test_body_that_has_not_come_to_its_end_waits():
    assert take(WHOLE[:-1], 1000) == (b"abc0123456789", b"X-Trailer: 1\r\n\r", False)


@pytest.mark.parametrize("step", [1, 1000])
@pytest.mark.parametrize(
    "data",
    [
        b"\r\n",
        b"x\r\n",
        b"-1\r\n",
        b"0x1\r\n",
        b"1 \r\n",
        b"1;a=b\r\nx\r\n",
        b"1\nx\n",
        b"1\rx",
        b"123456789\r\n",
        b"1\r\nxy\r\n",
        b"1\r\nx\n0\r\n",
        b"0\r\nX\r\n\r\n",
        b"0\r\nX: 1\nY: 2\r\n\r\n",
        b"0\r\n" + b"X: 1\r\n" * 4000,
        b"1\r\nx\r\n" * 5000,
    ],
)
def test_what_are_no_chunks_is_refused(data, step):
    with pytest.raises(BadRequestError, match="; expected "):
        take(data, step)
