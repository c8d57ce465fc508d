"""Who may connect when many do, and who makes room."""

import time

import pytest

from preannotate.serving.connection_limiter import ConnectionLimiter, customer


class Held:
    """A connection; idle since a moment, or busy."""

    def __init__(self, idle_since: float | None = None) -> None:
        self.idle_since = idle_since
        self.evicted = False

    def evict(self) -> None:
        self.evicted = True


def stranger(number: int = 1) -> tuple[str, int]:
    return f"203.0.113.{number}", 4000


@pytest.mark.parametrize(
    ("peer", "expected"),
    [
        (("203.0.113.7", 1), "203.0.113.7"),
        (("::ffff:203.0.113.7", 1, 0, 0), "203.0.113.7"),
        (("2001:db8:1:2:aaaa::1", 1, 0, 0), "2001:db8:1:2::/64"),
        (("2001:db8:1:2:bbbb::2", 1, 0, 0), "2001:db8:1:2::/64"),
        (("fe80::1%eth0", 1, 0, 2), "fe80::/64"),
        (("127.0.0.1", 1), ""),
        (("127.8.8.8", 1), ""),
        (("::1", 1, 0, 0), ""),
        (("::ffff:127.0.0.1", 1, 0, 0), ""),
        ("", ""),
        (None, ""),
    ],
)
def test_one_customer_is_one_address(peer, expected):
    assert customer(peer) == expected


def test_busy_connections_of_one_address_leave_room_for_others():
    limiter = ConnectionLimiter(limit=4, of_address=2)
    assert [limiter.admit(Held(), stranger()) for _ in range(3)] == [True, True, False]
    assert limiter.admit(Held(), stranger(2))
    assert limiter.open == 3


def test_address_at_its_limit_loses_its_longest_idle_connection():
    limiter = ConnectionLimiter(limit=9, of_address=2)
    other, old, new = Held(0.0), Held(1.0), Held(2.0)
    limiter.admit(other, stranger(2))
    limiter.admit(new, stranger())
    limiter.admit(old, stranger())

    assert limiter.admit(Held(3.0), stranger())
    assert (other.evicted, old.evicted, new.evicted) == (False, True, False)
    assert limiter.open == 3


def test_clients_of_one_address_that_come_at_once_do_not_lose_their_connections():
    limiter = ConnectionLimiter(limit=9, of_address=2)
    waiting = [Held(time.monotonic()) for _ in range(3)]
    assert [limiter.admit(connection, stranger()) for connection in waiting] == [True, True, False]
    assert not any(connection.evicted for connection in waiting)


def test_full_server_takes_room_from_the_address_that_has_most():
    limiter = ConnectionLimiter(limit=3, of_address=3)
    honest, first, second = Held(0.0), Held(1.0), Held(2.0)
    limiter.admit(honest, stranger(2))
    limiter.admit(first, stranger())
    limiter.admit(second, stranger())

    assert limiter.admit(Held(3.0), stranger(3))
    assert (honest.evicted, first.evicted, second.evicted) == (False, True, False)


def test_connections_of_this_machine_have_only_the_limit_of_all():
    limiter = ConnectionLimiter(limit=3, of_address=1)
    assert [limiter.admit(Held(), ("127.0.0.1", 1)) for _ in range(4)] == [True, True, True, False]


def test_released_connection_counts_no_more():
    limiter = ConnectionLimiter(limit=1)
    held = Held()
    assert limiter.admit(held, stranger())
    limiter.release(held)
    limiter.release(held)
    assert limiter.open == 0
    assert limiter.admit(Held(), stranger(2))
