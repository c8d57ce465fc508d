"""The memory of a worker: what one image may take on top of it, and giving it back afterwards. Linux only."""

import contextlib
import ctypes
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

# A wall behind the limits of `image_limits`, which believe what a header says; no decoder can be made to pass it.
DECODING_BYTES = 300_000_000
_STATM = "/proc/self/statm"
_RESIDENT, _DATA = 1, 5


@contextlib.contextmanager
def limited(extra_bytes: int = DECODING_BYTES) -> Iterator[None]:
    """Let the process take at most so many bytes more: a decoder that asks for more gets none, and fails.

    For a process that does one thing at a time: other threads meet the same limit.
    """
    used = _bytes(_DATA)
    if resource is None or used is None:
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    limits = [limit for limit in (used + extra_bytes, soft, hard) if limit != resource.RLIM_INFINITY]
    try:
        resource.setrlimit(resource.RLIMIT_DATA, (min(limits), hard))
    except (OSError, ValueError):  # a sandbox that does not allow it
        yield
        return
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def give_back(above_bytes: int) -> None:
    """Return what is free to the system if the process has more than `above_bytes` in main memory.

    glibc keeps freed memory for the next time, tens of megabytes for each size of image it has seen. To ask costs
    microseconds, to trim some milliseconds.
    """
    resident = _bytes(_RESIDENT)
    if resident is not None and resident > above_bytes and (libc := _libc()) is not None:
        libc.malloc_trim(0)


def resident_bytes() -> int:
    """Return how much of the process is in main memory; 0 where this is not known."""
    return _bytes(_RESIDENT) or 0


def _bytes(field: int) -> int | None:
    try:
        with Path(_STATM).open("rb") as file:
            return int(file.read().split()[field]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return None


@cache
def _libc() -> ctypes.CDLL | None:
    try:
        libc = ctypes.CDLL(None)
        libc.malloc_trim.argtypes = [ctypes.c_size_t]
    except (OSError, TypeError, AttributeError):  # not glibc
        return None
    return libc
