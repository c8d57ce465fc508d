"""A lock on a file, between processes: it ends with its holders, however they end.

Child processes that inherit the descriptor hold the lock too.
"""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from preannotate.core.errors import LockedError

_POLL_SECONDS = 0.1


@contextlib.contextmanager
def file_lock(path: Path, busy: str, *, wait_seconds: float = 0.0) -> Iterator[int]:
    """Hold an exclusive lock on `path` inside the block; the file and its folder are created, and stay.

    `busy` is the message if another process still holds the lock after `wait_seconds`.

    Yields:
        The descriptor of the lock, for `pass_fds` of child processes that shall hold it as well.

    Raises:
        LockedError: Another process holds the lock.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        deadline = time.monotonic() + wait_seconds
        while not _try_lock(descriptor):
            if time.monotonic() >= deadline:
                raise LockedError(busy)
            time.sleep(_POLL_SECONDS)
        yield descriptor
    finally:
        os.close(descriptor)


def is_locked(path: Path) -> bool:
    """Whether a process holds the lock; False if there is no lock file."""
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        return not _try_lock(descriptor)
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
