"""Folders that are written beside their place and appear there at once, and what is left of writers that were killed.

Whoever writes a temporary file holds a lock on it, or on `.lock` in a draft, which ends with the process. So what is
not locked was abandoned, and the next writer removes it. The lock is on a file that is open for writing: on NFS, other
hosts see only those, and none of folders. Two folders are exchanged by one system call where the file system can.
"""

import contextlib
import ctypes
import errno
import fcntl
import functools
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

_RANDOM = "[a-z0-9_]{8}"
DRAFT, EXTRACT = "draft-", "extract-"
_DRAFT = re.compile(rf"\..*\b({DRAFT}|{EXTRACT}){_RANDOM}")
_TEMPORARY = re.compile(r"\..+\.\d+\.[0-9a-f]{8}\.new")
# Folders of images: their files are many, and none of them is a draft.
_NOT_SEARCHED = ("data", "images")
_LOCK = ".lock"
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2
# What systems and file systems without the exchange answer.
_NO_EXCHANGE = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EPERM)


@contextlib.contextmanager
def scratch_directory(parent: Path, prefix: str) -> Iterator[Path]:
    """Yield a new folder PARENT/PREFIXxxxxxxxx, which is removed at the end; its name should begin with a dot.

    What killed writers left there under the same prefix is removed at the beginning.

    Raises:
        OSError: The folder cannot be created there.
    """
    clear_scratch(parent, prefix)
    path, descriptor = _locked_directory(parent, prefix)
    try:
        yield path
    finally:
        with contextlib.suppress(OSError), _opened(path) as folder:
            _remove_content(folder)
        os.close(descriptor)
        with contextlib.suppress(OSError):
            path.rmdir()


def _locked_directory(parent: Path, prefix: str) -> tuple[Path, int]:
    while True:
        path = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
        with contextlib.suppress(FileNotFoundError):  # somebody took it for an abandoned one already
            descriptor = os.open(path / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
            if hold(descriptor, path / _LOCK):
                return path, descriptor
            os.close(descriptor)


def working_directory() -> contextlib.AbstractContextManager[Path]:
    """Yield a `scratch_directory` where the system keeps temporary files, for what nobody needs afterwards."""
    return scratch_directory(Path(tempfile.gettempdir()), "preannotate-work-")


def clear_scratch(parent: Path, prefix: str) -> None:
    """Remove what killed writers left of `scratch_directory` with this parent and prefix; the parent may be missing."""
    _clear(parent, re.compile(re.escape(prefix) + _RANDOM))


def _clear(parent: Path, pattern: re.Pattern[str]) -> None:
    with contextlib.suppress(OSError), os.scandir(parent) as entries:
        for entry in entries:
            if pattern.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False):
                _remove_abandoned_directory(Path(entry.path))


def draft_directory(target: Path) -> contextlib.AbstractContextManager[Path]:
    """Yield a `scratch_directory` beside `target` for what will become `target` or parts of it.

    Abandoned drafts of other targets there are removed as well.
    """
    _clear(target.parent, _DRAFT)
    return scratch_directory(target.parent, f".{target.name}.{DRAFT}")


def put_directory_in_place(draft: Path, target: Path) -> None:
    """Make a finished folder of the same file system `target`; what `target` was before is `draft` then.

    Readers see the one or the other, never none, unless the system cannot exchange folders.
    """
    if not target.exists():
        draft.rename(target)
        return
    if not _exchange(draft, target):
        aside = draft.with_name(f"{draft.name}.old")
        target.rename(aside)
        draft.rename(target)
        aside.rename(draft)


def clear_abandoned(folder: Path) -> None:
    """Remove drafts and temporary files of killed writers from a folder and all folders in it but those of images.

    What cannot be removed stays.
    """
    for where, folders, files in os.walk(folder):
        drafts = [name for name in folders if _DRAFT.fullmatch(name)]
        folders[:] = [name for name in folders if name not in drafts and name not in _NOT_SEARCHED]
        for name in drafts:
            _remove_abandoned_directory(Path(where, name))
        for name in filter(_TEMPORARY.fullmatch, files):
            _remove_if_abandoned(Path(where, name), Path(where, name).unlink)


def hold(descriptor: int, path: Path) -> bool:
    """Lock a draft that was just created; False if somebody took it for an abandoned one, so that it may be gone.

    A file system without such locks has no abandoned drafts that could be told from others: then True.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return _is_still(descriptor, path)


def _remove_abandoned_directory(path: Path) -> None:
    with contextlib.suppress(OSError), _opened(path) as folder:
        _remove_if_abandoned(_LOCK, functools.partial(_remove_content, folder), folder)
    with contextlib.suppress(OSError):
        path.rmdir()  # also if its writer was killed before it had the lock


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[int]:
    """Yield the descriptor of a folder: in a place for all users, others could exchange it for a link meanwhile."""
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        yield folder
    finally:
        os.close(folder)


def _remove_content(folder: int) -> None:
    """Empty a draft whose lock is held; the lock goes last, so that the rest is not left without one."""
    for name in set(os.listdir(folder)) - {_LOCK}:
        try:
            os.unlink(name, dir_fd=folder)
        except OSError:
            shutil.rmtree(name, ignore_errors=True, dir_fd=folder)
    os.unlink(_LOCK, dir_fd=folder)


def _remove_if_abandoned(lock: str | Path, remove: Callable[[], object], folder: int | None = None) -> None:
    """Call `remove` if nobody holds the lock, a file whose path is relative to `folder`."""
    with contextlib.suppress(OSError):
        descriptor = os.open(lock, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_still(descriptor, lock, folder):
                remove()
        finally:
            os.close(descriptor)


def _is_still(descriptor: int, path: str | Path, folder: int | None = None) -> bool:
    """Whether a path still leads to the file that was opened."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path, dir_fd=folder))
    except FileNotFoundError:
        return False


def _exchange(first: Path, second: Path) -> bool:
    """Exchange two paths at once; False if this system or file system cannot."""
    rename = _renameat2()
    if rename is None:
        return False
    if rename(_AT_FDCWD, os.fsencode(first), _AT_FDCWD, os.fsencode(second), _RENAME_EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number in _NO_EXCHANGE:
        return False
    raise OSError(number, os.strerror(number), str(first), None, str(second))


@functools.cache
def _renameat2() -> Callable[..., int] | None:
    """The system call, which Python's library does not offer; None on systems without it."""
    found: Callable[..., int] | None = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    return found
