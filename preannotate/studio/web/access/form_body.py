"""What a form may send: little, and in the one way that all forms here use."""

import asyncio
from urllib.parse import parse_qsl

from starlette.requests import Request

MAX_BYTES = 64 * 1024
MAX_FIELDS = 500
# Of a form's last byte; a browser on a bad line needs less.
SECONDS = 20.0
KIND = "application/x-www-form-urlencoded"


class FormBodyError(Exception):
    """A body that is not read; `status` is that of the answer."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


async def read_form(request: Request) -> dict[str, list[str]]:
    """The fields of a form, each with its values in their order.

    Raises:
        BodyError: Too large, too slow, or not a form.
        ClientDisconnect: It did not come.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().casefold()
    if kind != KIND:
        raise FormBodyError(
            415, f"The form came as {kind[:60]!r}; expected {KIND!r}. Send it from the studio's own page."
        )
    try:
        async with asyncio.timeout(SECONDS):
            body = await _read(request)
    except TimeoutError as error:
        raise FormBodyError(
            408, f"The form did not arrive within {SECONDS:g} s; expected the whole form. Send it again."
        ) from error
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS)
    except ValueError as error:
        raise FormBodyError(
            400, "The form is not text; expected form fields. Send it from the studio's own page."
        ) from error
    fields: dict[str, list[str]] = {}
    for name, value in pairs:
        fields.setdefault(name, []).append(value.replace("\0", ""))
    return fields


async def _read(request: Request) -> bytes:
    declared = request.headers.get("content-length", "0")
    body = bytearray()
    _check(int(declared) if declared.isdecimal() else 0)
    async for chunk in request.stream():
        body += chunk
        _check(len(body))
    return bytes(body)


def _check(length: int) -> None:
    if length > MAX_BYTES:
        raise FormBodyError(
            413, f"The form has more than {MAX_BYTES} bytes; expected at most that many. Shorten the text."
        )
