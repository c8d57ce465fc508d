"""The bodies of requests while they are in memory: their size, the time they may take, and their sum.

A photo in base64 has megabytes, and a function may allow 256 MiB. All bodies that the server holds, those that are
still arriving, those that wait and those that a worker has, are counted together, for all functions. One client has at
most three quarters, so that it cannot keep others out: CVAT is the only one as a rule.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from starlette.requests import ClientDisconnect
from starlette.types import Receive

from preannotate.serving.errors import BodyTooLarge, BodyTooSlow, TooManyBytes

MAX_HELD_BYTES = 512 * 1024 * 1024
# CVAT itself gives up after so long.
BODY_SECONDS = 120.0


@dataclass
class BodyBudget:
    """Reads bodies, and counts their bytes together.

    Attributes:
        limit: Bytes that all bodies may have together. A body that is alone may have more.
        seconds: How long a body may take to arrive.
        held: Bytes of all bodies at the moment.
    """

    limit: int = MAX_HELD_BYTES
    seconds: float = BODY_SECONDS
    held: int = 0
    _by_client: Counter[str] = field(default_factory=Counter)

    @asynccontextmanager
    async def read(
        self, receive: Receive, name: str, largest: int, declared: int, client: str = ""
    ) -> AsyncIterator[bytearray]:
        """Read a body and count it as long as the `with` block lasts.

        Args:
            receive: ASGI's.
            name: Of the function; begins the sentences of errors.
            largest: Bytes that the function allows.
            declared: The request's Content-Length, so that a hopeless body is refused before it comes; 0 if missing.
            client: As `connection_limiter.customer` names it; "" may be many, and has only the limit of all.

        Raises:
            BodyTooLarge: It has more than `largest` bytes.
            TooManyBytes: Other bodies use up the memory for bodies, or those of the same client three quarters of it.
            BodyTooSlow: It did not arrive in time.
            ClientDisconnect: It did not arrive at all.
        """
        body = bytearray()
        try:
            self._check(name, largest, declared, 0, client)
            try:
                async with asyncio.timeout(self.seconds):
                    async for chunk in _chunks(receive):
                        self._check(name, largest, len(body) + len(chunk), len(body), client)
                        body += chunk
                        self._count(client, len(chunk))
            except TimeoutError as error:
                raise BodyTooSlow(
                    f"{name}: the body did not arrive within {self.seconds:g} s (only {len(body)} bytes did); "
                    f"expected the whole body. Send a smaller image."
                ) from error
            yield body
        finally:
            self._count(client, -len(body))

    def _count(self, client: str, change: int) -> None:
        self.held += change
        self._by_client[client] += change
        if not self._by_client[client]:
            del self._by_client[client]

    def _check(self, name: str, largest: int, length: int, own: int, client: str) -> None:
        if length > largest:
            raise BodyTooLarge(
                f"{name}: the body is larger than {largest} bytes; expected at most that. "
                f"Send a smaller image, or raise maxRequestBodySize in function.yaml."
            )
        others, of_client = self.held - own, self._by_client[client] - own if client else 0
        for held, limit, whose in ((others, self.limit, ""), (of_client, self.limit // 4 * 3, " from this address")):
            if held and held + length > limit:
                raise TooManyBytes(
                    f"{name}: the server already holds request bodies of {held} bytes{whose}; expected at most {limit} "
                    f"bytes with this one. Try again later."
                )


async def _chunks(receive: Receive) -> AsyncIterator[bytes]:
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        more = message.get("more_body", False)
        yield message.get("body", b"")
