"""What h11 reads of requests once the doubts are out, however the bytes are cut on their way."""

import h11
import pytest

from preannotate.serving.strict_http import StrictConnection

HEAD = b"POST /a HTTP/1.1\r\nHost: a\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


def read(data: bytes, step: int) -> tuple[bytes, bool]:
    """The body of the first request, and whether it ended, of data that comes in pieces of `step` bytes."""
    connection, body, ended = StrictConnection(16_384), b"", False
    for start in range(0, len(data), step):
        connection.receive_data(data[start : start + step])
        while (event := connection.next_event()) not in (h11.NEED_DATA, h11.PAUSED):
            body += bytes(event.data) if isinstance(event, h11.Data) else b""
            ended = ended or isinstance(event, h11.EndOfMessage)
    return body, ended


@pytest.mark.parametrize("step", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize(
    "data",
    [
        HEAD + b"Content-Length: 13\r\n\r\nabc0123456789",
        CHUNKED + b"3\r\nabc\r\n0A\r\n0123456789\r\n0\r\n\r\n",
        CHUNKED + b"3\r\nabc\r\n0A\r\n0123456789\r\n0\r\nX-Trailer: 1\r\n\r\n",
    ],
)
def test_body_is_the_same_however_it_comes(data, step):
    assert read(data, step) == (b"abc0123456789", True)
    assert read(data + HEAD, step) == (b"abc0123456789", True)


@pytest.mark.parametrize("step", [1, 1000])
@pytest.mark.parametrize(
    "data",
    [
        HEAD + b"Content-Length: 1\r\nContent-Length: 1\r\n\r\nx",
        HEAD + b"Content-Length: 1, 1\r\n\r\nx",
        HEAD + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        HEAD + b"transfer-encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        HEAD.replace(b"1.1", b"1.0") + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        HEAD.replace(b"1.1", b"1.2") + b"\r\n",
        HEAD + b"X: y\nX: z\r\n\r\n",
        HEAD.replace(b"\r", b"") + b"\n",
        HEAD + b"\n\r\n",
        HEAD + b"X: y\r\n z\r\n\r\n",
        HEAD + b"X: y\r\n\tz\r\n\r\n",
        HEAD + b"X: y\rz\r\n\r\n",
        CHUNKED + b"1;a=b\r\nx\r\n0\r\n\r\n",
        CHUNKED + b"1 \r\nx\r\n0\r\n\r\n",
        CHUNKED + b"0;a\r\n\r\n",
        CHUNKED + b"1\nx\n0\n\n\r\n",
        CHUNKED + b"123456789\r\nx",
        CHUNKED + b"0\r\nX: 1\nY: 2\r\n\r\n",
        CHUNKED + b"0\r\n\n",
        CHUNKED + b"0\r\nX: 1\r\n 2\r\n\r\n",
        CHUNKED + b"1\r\nx\r\n" * 5000,
    ],
)
def test_what_leaves_open_where_a_request_ends_is_refused(data, step):
    with pytest.raises(h11.RemoteProtocolError):
        read(data, step)
