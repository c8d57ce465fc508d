"""Files that others publish, kept on this machine: got once, recorded with their digest, and compared from then on.

Each lies in `folder()` as NAME-DIGEST.SUFFIX beside NAME.json, the record of where it came from, its size and its
SHA-256. A download that breaks off leaves its part there, and the next one goes on behind it if the server still has
the same content.
"""

import contextlib
import hashlib
import os
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from preannotate.core import http
from preannotate.core.drafts import scratch_directory
from preannotate.core.errors import FileError, PreannotateError
from preannotate.core.files import put_in_place, read_json, write_json
from preannotate.core.locks import file_lock
from preannotate.core.text import printable

# Where they are kept instead of the user's cache; for containers with a volume of their own.
FOLDER_VARIABLE = "PREANNOTATE_WEIGHTS"
# Set to anything, nothing is downloaded: where a firewall makes every attempt wait, and in tests.
OFFLINE_VARIABLE = "PREANNOTATE_OFFLINE"
# A firewall that drops packets must not hold up what can go on without the file for the minutes that TCP would try.
CONNECT_SECONDS = 10.0
_DIGEST_SHOWN, _NAME_SHOWN = 12, 50
_SCRATCH = ".get-"
_LOCK_SECONDS = 30.0

# Reads a file, and raises an error of ours if it is not what was expected.
Check = Callable[[Path], object]
# Returns the suffix of a file by its content.
SuffixOf = Callable[[Path], str]
# Called with the bytes that are here, and with the size of the file if it is known.
Progress = Callable[[int, int | None], object]


@dataclass(frozen=True)
class KeptFile:
    """A file that is here.

    Attributes:
        source: The address it was downloaded from, or the name of the file it was copied from.
    """

    path: Path
    source: str
    size: int
    sha256: str


def folder() -> Path:
    """Return where they are kept: $PREANNOTATE_WEIGHTS, else preannotate/weights in the user's cache.

    Raises:
        FileError: The user has no home folder.
    """
    if given := os.environ.get(FOLDER_VARIABLE):
        return Path(given)
    cache = Path(os.environ.get("XDG_CACHE_HOME", ""))
    try:
        return (cache if cache.is_absolute() else Path.home() / ".cache") / "preannotate" / "weights"
    except RuntimeError as error:
        raise FileError(
            f"base weights: no home folder; expected one. Set {FOLDER_VARIABLE} to a folder for them."
        ) from error


def recorded(name: str, suffixes: Collection[str]) -> KeptFile | None:
    """Return what is recorded under a name, whether or not the file is still here; None if nothing is.

    Raises:
        PreannotateError: The record cannot be read.
    """
    try:
        record = _record(name)
    except FileError:  # no home: nothing can be there
        return None
    content = read_json(record)
    if content is None:
        return None
    try:
        suffix, source, size, sha256 = (content[key] for key in ("suffix", "source", "size", "sha256"))
        if suffix not in suffixes or not isinstance(source, str) or not isinstance(size, int):
            raise TypeError
        if len(bytes.fromhex(sha256)) != hashlib.sha256().digest_size:
            raise ValueError
    except (KeyError, TypeError, ValueError) as error:
        raise FileError(f"{record}: not a record of weights; expected one. Remove the file.") from error
    return KeptFile(_path(name, sha256, suffix), source, size, sha256)


def kept(name: str, suffixes: Collection[str]) -> KeptFile | None:
    """As `recorded`, but None if the file is not here; its content is not compared."""
    found = recorded(name, suffixes)
    return found if found is not None and found.path.is_file() else None


def is_changed(found: KeptFile) -> bool:
    """Return whether the content of a kept file differs from what was recorded; a FileError if it cannot be read."""
    try:
        return found.path.stat().st_size != found.size or digest(found.path) != found.sha256
    except OSError as error:
        raise FileError(f"{found.path}: {error.strerror or error}; expected a file of weights. Check it.") from error


def fetch(
    name: str,
    address: str,
    check: Check,
    suffix_of: SuffixOf,
    *,
    max_bytes: int,
    timeout: float,
    progress: Progress = lambda *_: None,
) -> Path:
    """Download a file as `download`, check it, keep it and return its place; until then an earlier one counts.

    Args:
        name: Of the record.
        address: Goes into the record.
        check: Raises an error if the file is not what was expected; then nothing changes.
        suffix_of: Returns the suffix of a file, whatever it was called.
        max_bytes: The file has no more.
        timeout: Of the whole download, in seconds.
        progress: See `Progress`.

    Raises:
        NoResponseError: There is no answer, or not all of the file.
        FileError: It cannot be written.
        PreannotateError: Of `check`.
    """

    def write(target: Path) -> None:
        download(name, address, target, max_bytes=max_bytes, timeout=timeout, progress=progress)

    return _keep(name, address, write, check, suffix_of)


def bring(name: str, file: Path, check: Check, suffix_of: SuffixOf, *, max_bytes: int) -> Path:
    """Copy a file of the user, and no more than `max_bytes` of it; the rest as in `fetch`."""

    def write(target: Path) -> None:
        with file.open("rb") as source, target.open("wb") as written:
            written.write(source.read(max_bytes))

    return _keep(name, printable(file.name), write, check, suffix_of)


def _keep(name: str, source: str, write: Callable[[Path], object], check: Check, suffix_of: SuffixOf) -> Path:
    """Write a file beside its place, check it, record it with its source, and return its place."""
    place = folder()
    try:
        place.mkdir(parents=True, exist_ok=True)
        with scratch_directory(place, _SCRATCH) as scratch:
            written = scratch / "weights"
            write(written)
            suffix = suffix_of(written)
            # The name is in the sentence of a file that is refused.
            shown = source.rpartition("/")[2].removesuffix(".pth").removesuffix(".onnx")[:_NAME_SHOWN]
            written = written.rename(scratch / f"{shown or name}{suffix}")
            check(written)
            with _one_writer(name):
                return _put_in_place(name, source, written)
    except PreannotateError:
        raise
    except OSError as error:
        raise FileError(
            f"{place}: {error.strerror or error}; expected a writable folder. Set {FOLDER_VARIABLE} to another one."
        ) from error


def download(
    name: str, address: str, target: Path, *, max_bytes: int, timeout: float, progress: Progress = lambda *_: None
) -> None:
    """Download a file to `target`, on the disk of `folder()`; goes on where an earlier download broke off.

    Raises:
        NoResponseError: There is no answer, or not all of the file; a part stays for the next call if it can go on.
        FileError: It cannot be written.
    """
    part, state = folder() / f".{name}.part", folder() / f".{name}.part.json"
    busy = f"{name}: another process is downloading it; expected it to end. Try again."
    with file_lock(folder() / f".{name}.part.lock", busy, wait_seconds=timeout):
        validator = _validator(state, address) if part.is_file() else ""

        def begun(content: str) -> None:
            nonlocal validator
            validator = content
            write_json(state, {"address": address, "validator": content})

        try:
            with part.open("r+b" if validator else "wb") as file:
                file.seek(0, os.SEEK_END)
                http.download(
                    address,
                    file,
                    max_bytes=max_bytes,
                    connect_timeout=CONNECT_SECONDS,
                    timeout=timeout,
                    validator=validator,
                    begun=begun,
                    progress=progress,
                )
            part.replace(target)
            state.unlink(missing_ok=True)
        finally:
            if not validator:  # nothing tells whether it could go on
                part.unlink(missing_ok=True)
                state.unlink(missing_ok=True)


def digest(file: Path, algorithm: str = "sha256") -> str:
    """Return the digest of a file, in hexadecimal."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, algorithm).hexdigest()


def _validator(state: Path, address: str) -> str:
    """Return what an unfinished download of this address goes on with; "" if nothing does."""
    with contextlib.suppress(FileError):
        content = read_json(state)
        if isinstance(content, dict) and content.get("address") == address:
            found = content.get("validator")
            return found if isinstance(found, str) and found.isascii() and found.isprintable() else ""
    return ""


def _one_writer(name: str) -> contextlib.AbstractContextManager[int]:
    """Of two processes that bring a file of one name, one waits: else each could remove what the other records."""
    busy = f"{name}: another process is keeping its weights; expected it to end. Try again."
    return file_lock(folder() / f".{name}.lock", busy, wait_seconds=_LOCK_SECONDS)


def _put_in_place(name: str, source: str, written: Path) -> Path:
    size, sha256 = written.stat().st_size, digest(written)
    path = _path(name, sha256, written.suffix)
    put_in_place(written, path)
    write_json(_record(name), {"suffix": path.suffix, "source": source, "size": size, "sha256": sha256})
    for other in folder().glob(f"{name}-*"):
        if other != path and _is_of(other.name, name):
            other.unlink(missing_ok=True)
    return path


def _is_of(file_name: str, name: str) -> bool:
    """Whether a file is one of this name: yolox-s-DIGEST.onnx is, yolox-s-seg-DIGEST.onnx is not."""
    rest = file_name.removeprefix(f"{name}-").partition(".")[0]
    return len(rest) == _DIGEST_SHOWN and all(letter in "0123456789abcdef" for letter in rest)


def _path(name: str, sha256: str, suffix: str) -> Path:
    """Return the place of a file: one for each content, so that the record alone says which one counts."""
    return folder() / f"{name}-{sha256[:_DIGEST_SHOWN]}{suffix}"


def _record(name: str) -> Path:
    return folder() / f"{name}.json"
