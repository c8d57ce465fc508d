"""Image files on disk: regular ones only, no larger than an image may be, and never one that makes the reader wait."""

import os
import stat
from pathlib import Path

from runtime.errors import ImageError
from runtime.image_limits import MAX_FILE_BYTES, check_file

_KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a folder",
}


def check_image_file(path: Path) -> None:
    """Refuse what cannot be an image file, without opening it; links are followed.

    Raises:
        ImageError: A pipe, a socket, a device or a folder, or more bytes than an image may have.
        OSError: It cannot be looked at.
    """
    _check(path.stat())


def read_image_file(path: Path) -> bytes:
    """Return the content of an image file; errors as in `check_image_file`."""
    check_image_file(path)
    # It may be another file by now: a pipe is then opened all the same, and does not wait for its other end.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    with os.fdopen(descriptor, "rb") as file:
        _check(os.fstat(descriptor))
        data = file.read(MAX_FILE_BYTES + 1)  # files of the kernel are longer than they say
    check_file(len(data))
    return data


def _check(status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        kind = _KINDS.get(stat.S_IFMT(status.st_mode), "no file")
        raise ImageError(f"image: {kind}; expected a regular file. Remove it, or leave it out.")
    check_file(status.st_size)
