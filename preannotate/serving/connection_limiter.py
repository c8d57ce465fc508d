"""How many connections may be open: in total, and from one address, so that one stranger cannot keep others out.

At a limit the connection that has idled longest makes room: honest clients send as soon as they are connected, and
whoever opens connections to hold them has idle ones. Only where none is idle is the new one refused.
"""

import functools
import ipaddress
import math
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Protocol

# Open at once, on all ports; each takes a file descriptor, of which many systems grant a process 1024.
MAX_CONNECTIONS = 400
# CVAT opens as many as it has processes.
MAX_CONNECTIONS_OF_ADDRESS = 100
# Clients of one address that come all at once have not sent yet when the last one is counted: that gets a 503,
# rather than that the connection of another breaks.
_FRESH_SECONDS = 1.0
HEAD_SECONDS = 20.0
# After an early answer (413, 401) a client may go on sending what it meant to send, for it cannot listen before.
REST_SECONDS = 60.0
# What a client may take to read what it is sent, before the next piece.
READ_SECONDS = 120.0
# An Internet provider gives each customer at least so much of the address space of IPv6.
_CUSTOMER_BITS = 64


class Limited(Protocol):
    """A connection that is counted.

    Attributes:
        idle_since: When it began to wait for a request, as `time.monotonic` gives it; None while it has one.
    """

    idle_since: float | None

    def evict(self) -> None:
        """Close it, now."""


@dataclass
class ConnectionLimiter:
    """Counts open connections, on all ports together.

    Attributes:
        limit: How many may be open at once.
        of_address: How many from one address; those from this machine are not limited, for a proxy has all clients.
        head_seconds: How long the head of a request may take.
        rest_seconds: How long a client may go on sending after it got its answer.
        read_seconds: How long a client may take to read an answer.
    """

    limit: int = MAX_CONNECTIONS
    of_address: int = MAX_CONNECTIONS_OF_ADDRESS
    head_seconds: float = HEAD_SECONDS
    rest_seconds: float = REST_SECONDS
    read_seconds: float = READ_SECONDS
    _addresses: dict[Limited, str] = field(default_factory=dict)
    _counts: Counter[str] = field(default_factory=Counter)

    @property
    def open(self) -> int:
        """How many are open."""
        return len(self._addresses)

    def admit(self, connection: Limited, peer: Any) -> bool:
        """Count a connection, and close an idle one if there are too many; return False if it has to be refused.

        `peer` is the address that the socket gives.
        """
        address = customer(peer)
        if address and self._counts[address] >= self.of_address:
            admitted = self._evict(address, before=time.monotonic() - _FRESH_SECONDS)
        else:
            admitted = self.open < self.limit or self._evict(None)
        if admitted:
            self._addresses[connection] = address
            self._counts[address] += 1
        return admitted

    def release(self, connection: Limited) -> None:
        """Count a connection no longer."""
        address = self._addresses.pop(connection, None)
        if address is not None:
            self._counts[address] -= 1
            if not self._counts[address]:
                del self._counts[address]

    def _evict(self, address: str | None, before: float = math.inf) -> bool:
        """Close the connection that has idled longest, of this address or of the one with the most connections.

        Only one that was idle `before` that moment; return whether there was one.
        """
        idle = [
            (-self._counts[found], connection.idle_since, id(connection), connection)
            for connection, found in self._addresses.items()
            if connection.idle_since is not None and connection.idle_since < before and address in (None, found)
        ]
        if not idle:
            return False
        connection = min(idle)[-1]
        self.release(connection)
        connection.evict()
        return True


def customer(peer: Any) -> str:
    """Return what stands for one client: see `network_of`; "" for this machine, or what is no address.

    `peer` is the address that a socket gives.
    """
    return _customer(str(peer[0])) if isinstance(peer, tuple) and peer else ""


@functools.lru_cache(maxsize=1024)
def _customer(host: str) -> str:
    address = _address(host)
    return "" if address is None or address.is_loopback else network_of(host)


def network_of(host: str) -> str:
    """Return what one customer of an Internet provider has: an IPv4 address, or a /64 of IPv6; "" for no address."""
    address = _address(host)
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((address, _CUSTOMER_BITS), strict=False))
    return "" if address is None else str(address)


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return an address without its zone, and an IPv4 address as such if it is written as one of IPv6."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
