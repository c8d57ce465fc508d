"""Limits of a subprocess that reads a stranger's model: memory, time, and where it may write.

None of them is needed for an honest file. They keep the machine usable if a library that reads it allocates without
end, never returns, or can be made to run what it should not. Linux only, as this project.

Reference: https://docs.kernel.org/userspace-api/landlock.html.
"""

import contextlib
import ctypes
import os
import resource
import signal
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

GIB = 1024**3
# A SavedModel needs about 20 times its weights while its variables become constants: 4.4 GB for 217 MB were measured.
_MEMORY = 16 * GIB
_LEAST_MEMORY = 2 * GIB
# Stacks and arenas that each thread reserves, and there is one for each core in more than one pool.
_FOR_EACH_CORE = 64 * 1024**2
_PART_OF_MACHINE = 0.8
_LARGEST_FILE = 8 * GIB
READING_SECONDS = 600
IMAGE_SECONDS = 120

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # system calls, the same on all processors
_VERSION_OF_LANDLOCK, _PATH_BENEATH, _NO_NEW_PRIVILEGES = 1, 1, 38
# Executing, writing, removing and making of files; the rights are bits, and newer kernels know more of them.
_EXECUTE, _WRITE = 1 << 0, 1 << 1
_RIGHTS_OF_FOLDERS = sum(1 << bit for bit in range(4, 13))
_REFER, _TRUNCATE = 1 << 13, 1 << 14
_TCP = 0b11
_VERSION_WITH_REFER, _VERSION_WITH_TRUNCATE, _VERSION_WITH_TCP = 2, 3, 4


def confine(writable: Sequence[Path]) -> None:
    """Limit this process: memory, time until `deadline` sets another, and files that it writes.

    Before any library starts threads, for they keep what they were allowed.

    Args:
        writable: Folders; without Landlock in the kernel it may write everywhere.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for limit, most in ((resource.RLIMIT_DATA, memory_limit()), (resource.RLIMIT_FSIZE, _LARGEST_FILE)):
        _, hard = resource.getrlimit(limit)
        value = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(limit, (value, value))
    _write_only_in([*writable, Path(os.devnull)])
    set_deadline(READING_SECONDS)


def memory_limit() -> int:
    """Bytes of memory that a subprocess may have on this machine."""
    available = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    with contextlib.suppress(OSError, ValueError, IndexError):
        text = Path("/proc/meminfo").read_text(encoding="ascii")
        available = int(text.partition("MemAvailable:")[2].split()[0]) * 1024
    limit = max(min(_MEMORY, int(available * _PART_OF_MACHINE)), _LEAST_MEMORY)
    return limit + _FOR_EACH_CORE * (os.cpu_count() or 1)


def set_deadline(seconds: int) -> None:
    """End this process by SIGALRM after so many seconds, also within a library; 0 for never."""
    signal.alarm(seconds)


@contextlib.contextmanager
def deadline(seconds: int) -> Iterator[None]:
    """Inside, the process must not take longer than this; afterwards it has READING_SECONDS again."""
    if not signal.getitimer(signal.ITIMER_REAL)[0]:  # not confined
        yield
        return
    set_deadline(seconds)
    try:
        yield
    finally:
        set_deadline(READING_SECONDS)


def _write_only_in(paths: Sequence[Path]) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    version = libc.syscall(_CREATE_RULESET, None, 0, _VERSION_OF_LANDLOCK)
    if version < 1:
        return
    writing = _WRITE | _RIGHTS_OF_FOLDERS
    writing |= _REFER if version >= _VERSION_WITH_REFER else 0
    writing |= _TRUNCATE if version >= _VERSION_WITH_TRUNCATE else 0
    handled = struct.pack("QQ", _EXECUTE | writing, _TCP if version >= _VERSION_WITH_TCP else 0)
    size = len(handled) if version >= _VERSION_WITH_TCP else len(handled) // 2
    rules = libc.syscall(_CREATE_RULESET, handled, size, 0)
    if rules < 0:
        return
    try:
        for path in paths:
            allowed = writing if path.is_dir() else writing & (_WRITE | _TRUNCATE)
            file = os.open(path, os.O_PATH)
            try:
                libc.syscall(_ADD_RULE, rules, _PATH_BENEATH, struct.pack("=Qi", allowed, file), 0)
            finally:
                os.close(file)
        if libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0) == 0:
            libc.syscall(_RESTRICT_SELF, rules, 0)
    finally:
        os.close(rules)
