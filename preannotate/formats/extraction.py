"""Extract zip and tar archives of strangers.

Entries that would leave the folder, links, devices, encrypted entries and bombs are refused before the first byte is
written; what is written is counted all the same, for a header may say less than there is.
"""

import bz2
import gzip
import io
import lzma
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from preannotate.core.text import printable
from preannotate.formats.records import DatasetError

# Photographs hardly shrink and XML shrinks to a thirtieth: what grows 200-fold to over a gigabyte is a bomb.
MAX_RATIO = 200
MAX_FREE_BYTES = 1 << 30
MAX_ENTRIES = 1_000_000
# Longer than any name or header of a tar; tarfile reads these as a whole.
_MAX_HEADER = 1 << 20
_COPY_BYTES = _MAX_HEADER
_TAR_BLOCK = 512
# What the modules raise for a damaged or foreign file, depending on where the damage is.
_DAMAGED = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    UnicodeDecodeError,
    NotImplementedError,
)
_NOT_READ = (
    (b"Rar!\x1a\x07", "RAR"),
    (b"7z\xbc\xaf\x27\x1c", "7-Zip"),
    (b"\xfd7zXZ\0", "xz"),
    (b"\x28\xb5\x2f\xfd", "Zstandard"),
    (b"\x04\x22\x4d\x18", "LZ4"),
)
ARCHIVE_SUFFIXES = (
    ".zip",
    ".tar",
    ".tar.gz",
    ".tgz",
    ".tar.bz2",
    ".tbz2",
    ".rar",
    ".7z",
    ".tar.xz",
    ".txz",
    ".tar.zst",
)
_UNPACK_IT = "Unpack it yourself and give the folder."
_TRUST_IT = "Unpack it yourself and give the folder if you trust it."
_DO_NOT_USE = "Do not use this file; export again."


@dataclass(frozen=True)
class _Entry:
    """A file or folder of an archive, as its header says."""

    name: str
    size: int
    is_folder: bool
    member: Any


def archive_kind(path: Path) -> str:
    """Return "zip" or "tar", the name of a kind that is not read, or "" for what is no archive."""
    with path.open("rb") as file:
        head = file.read(_TAR_BLOCK)
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")):
        return "zip"
    if head.startswith((b"\x1f\x8b", b"BZh")) or head[257:262] == b"ustar":
        return "tar"
    return next((kind for signature, kind in _NOT_READ if head.startswith(signature)), "")


@dataclass
class Budget:
    """What may be extracted from one file, with all archives inside it.

    Attributes:
        packed: Size of the file, or of all archives of a folder, in bytes.
        used: Bytes extracted so far.
    """

    packed: int
    used: int = 0

    @property
    def left(self) -> int:
        """How many bytes more may be extracted."""
        return max(MAX_FREE_BYTES, MAX_RATIO * self.packed) - self.used


def extract(path: Path, target: Path, budget: Budget) -> None:
    """Extract an archive to an empty folder.

    Args:
        path: A zip, or a tar, also one that gzip or bzip2 has compressed.
        target: The folder.
        budget: What may be extracted.

    Raises:
        DatasetError: Not such an archive, damaged, not safe to extract, or no room for it.
    """
    kind = archive_kind(path)
    if kind not in ("zip", "tar", ""):
        raise DatasetError(
            f"{path.name}: an archive of {kind}; expected a zip, a .tar.gz or a folder. Unpack it and give the folder."
        )
    limit = budget.left
    try:
        size = 0
        with _opened(path, kind, limit) as archive:
            for entry in _entries(archive, path):
                _safe_name(path, entry.name)
                size += entry.size
            if isinstance(archive, tarfile.TarFile):
                _check_end(archive)
        _spend(path, size, budget, target)
        with _opened(path, kind, limit) as archive:  # again: the entries of a large tar are not kept
            for entry in _entries(archive, path):
                _extract_entry(archive, entry, target / _safe_name(path, entry.name), path)
    except (*_DAMAGED, OSError) as error:
        raise DatasetError(
            f"{path.name}: {error}; expected a whole zip or tar archive. Download the export again."
        ) from error


def _entries(archive: zipfile.ZipFile | tarfile.TarFile, path: Path) -> Iterator[_Entry]:
    if isinstance(archive, zipfile.ZipFile):
        _check_count(path, len(archive.infolist()))
        for entry in archive.infolist():
            kind = stat.S_IFMT(entry.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise _link(path, entry.filename)
            if entry.flag_bits & 0x1:
                raise DatasetError(
                    f"{path.name}: entry {_name(entry.filename)} is encrypted; expected an open archive. {_UNPACK_IT}"
                )
            yield _Entry(entry.filename, entry.file_size, entry.is_dir(), entry)
        return
    for count, member in enumerate(archive, 1):
        _check_count(path, count)
        if not (member.isreg() or member.isdir()) or member.issparse():
            raise _link(path, member.name)
        if member.size < 0:  # tarfile would go back, and round in a circle
            raise tarfile.ReadError(f"an entry of {member.size} bytes")
        yield _Entry(member.name, member.size, member.isdir(), member)
        archive.members.clear()  # type: ignore[attr-defined]  # tarfile keeps each


def _check_end(archive: tarfile.TarFile) -> None:
    """Read a tar to its end: tarfile takes one that was cut between two entries for a whole one."""
    stream: Any = archive.fileobj
    stream.seek(archive.offset)  # type: ignore[attr-defined]
    if stream.read(_TAR_BLOCK) != bytes(_TAR_BLOCK):
        raise tarfile.ReadError("the archive ends within its entries")
    while stream.read(_COPY_BYTES):
        pass


@contextmanager
def _opened(path: Path, kind: str, limit: int) -> Iterator[zipfile.ZipFile | tarfile.TarFile]:
    if kind != "tar":
        with zipfile.ZipFile(path) as archive:
            yield archive
        return
    with path.open("rb") as raw:
        head = raw.read(3)
        raw.seek(0)
        unpacked: Any = raw
        if head[:2] == b"\x1f\x8b":
            unpacked = gzip.GzipFile(fileobj=raw)
        elif head == b"BZh":
            unpacked = bz2.BZ2File(raw)
        with tarfile.open(fileobj=_BoundedReader(unpacked, limit, path.name), mode="r:") as tar:
            yield tar


class _BoundedReader(io.RawIOBase):
    """A decompressed file that ends in an error where a bomb would go on, and never gives a huge piece at once."""

    def __init__(self, file: IO[bytes], limit: int, name: str) -> None:
        self._file = file
        self._limit = limit
        self._name = name

    def read(self, size: int | None = -1) -> bytes:  # type: ignore[override]
        if size is None or size < 0 or size > _MAX_HEADER:
            raise tarfile.ReadError(f"a header of {size} bytes")
        data = self._file.read(size)
        self._check(self._file.tell())
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        self._check(offset if whence == 0 else 0)
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def _check(self, position: int) -> None:
        if position > self._limit:
            raise DatasetError(
                f"{self._name}: unpacks to more than {self._limit} bytes; expected at most {MAX_RATIO} times its size. "
                f"{_TRUST_IT}"
            )


def _spend(path: Path, size: int, budget: Budget, target: Path) -> None:
    if size > budget.left:
        raise DatasetError(
            f"{path.name}: unpacks {budget.packed} bytes to {budget.used + size}; "
            f"expected at most {MAX_RATIO} times its size. {_TRUST_IT}"
        )
    free = shutil.disk_usage(target).free
    if size > free:
        raise DatasetError(
            f"{path.name}: unpacks to {size} bytes; expected at most the {free} that are free on the disk. Make room."
        )
    budget.used += size


def _check_count(path: Path, count: int) -> None:
    if count > MAX_ENTRIES:
        raise DatasetError(f"{path.name}: {count} entries; expected at most {MAX_ENTRIES}. {_TRUST_IT}")


def _safe_name(path: Path, entry: str) -> PurePosixPath:
    name = PurePosixPath(entry.replace("\\", "/"))
    drive = bool(name.parts) and len(name.parts[0]) == 2 and name.parts[0][1] == ":"
    if name.is_absolute() or ".." in name.parts or drive or "\0" in entry:
        raise DatasetError(
            f"{path.name}: entry {_name(entry)} leads out of the archive; expected names inside it. {_DO_NOT_USE}"
        )
    return name


def _link(path: Path, entry: str) -> DatasetError:
    return DatasetError(
        f"{path.name}: entry {_name(entry)} is a link or a device; expected files and folders. {_TRUST_IT}"
    )


def _name(entry: str) -> str:
    return repr(printable(entry))


def _extract_entry(archive: Any, entry: _Entry, target: Path, path: Path) -> None:
    try:
        if entry.is_folder:
            target.mkdir(parents=True, exist_ok=True)
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        is_tar = isinstance(archive, tarfile.TarFile)
        source = archive.extractfile(entry.member) if is_tar else archive.open(entry.member)
        with source, target.open("wb") as sink:
            _copy(source, sink, entry.size)
    except OSError as error:
        raise DatasetError(
            f"{path.name}: entry {_name(entry.name)} cannot be written: {error.strerror or error}; expected "
            f"{entry.size} bytes of room and a usable name. Make room, or unpack it yourself."
        ) from error


def _copy(source: IO[bytes], sink: IO[bytes], size: int) -> None:
    written = 0
    while chunk := source.read(_COPY_BYTES):
        written += len(chunk)
        if written > size:
            raise zipfile.BadZipFile(f"an entry of more than the {size} bytes that its header names")
        sink.write(chunk)
