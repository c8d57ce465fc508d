"""Files and folders that are there whole or not at all, even after a power cut.

Everything that must never be seen half-written goes through `replacing`: a temporary file beside the target, flushed
to the disk, renamed onto it, and the folder flushed too.
"""

import contextlib
import csv
import errno
import json
import os
import shutil
import stat
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from preannotate.core.drafts import draft_directory, hold, put_directory_in_place
from preannotate.core.errors import FileError, PreannotateError

_SYNC_THREADS = 16
# What spreadsheets take for the beginning of a formula; the last four are full-width letters.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


@contextlib.contextmanager
def replacing(path: Path, *, mode: int = 0o666) -> Iterator[Path]:
    """Yield a temporary path beside `path`; what was written there becomes `path` if the block ends without an error.

    Args:
        path: File to create or replace; its folder is created.
        mode: Permissions of the new file, before the umask. The temporary file has them from the beginning.

    Raises:
        FileError: The file cannot be written there.
    """
    with _writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary, descriptor = _temporary_file(path, mode)
        try:
            yield temporary
            put_in_place(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
            os.close(descriptor)


def put_in_place(temporary: Path, path: Path) -> None:
    """Rename a finished file of the same folder to `path`, on the disk before it counts."""
    sync(temporary)
    temporary.replace(path)
    sync(path.parent)


def replace_bytes(path: Path, content: bytes, *, mode: int = 0o666) -> None:
    """Create or replace a file; arguments and errors as in `replacing`."""
    with replacing(path, mode=mode) as temporary:
        temporary.write_bytes(content)


def replace_text(path: Path, text: str, *, mode: int = 0o666) -> None:
    """Create or replace a UTF-8 file; arguments and errors as in `replacing`."""
    replace_bytes(path, text.encode(), mode=mode)


def write_json(path: Path, content: Any, *, mode: int = 0o666) -> None:
    """Create or replace a JSON file; arguments and errors as in `replacing`."""
    replace_text(path, json.dumps(content, ensure_ascii=False, indent=1) + "\n", mode=mode)


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Create or replace a CSV file that is safe to open in a spreadsheet; errors as in `replacing`.

    Names of images and labels may be anybody's: a text that begins like a formula gets an apostrophe in front, which
    spreadsheets do not show. UTF-8 with a mark, so that they detect the encoding.

    Source: OWASP, "CSV injection".
    """
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows([_csv_cell(value) for value in row] for row in rows)


def _csv_cell(value: object) -> object:
    if isinstance(value, str) and value.lstrip(" ").startswith(_FORMULA):
        return f"'{value}"
    return "" if value is None else value


def read_json(path: Path) -> Any:
    """Return the content of a JSON file, or None if there is no file.

    Raises:
        FileError: The file cannot be read or is not JSON.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise FileError(f"{path}: is no file; expected a JSON file. Remove it.")  # a pipe would be read for ever
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except FileError:
        raise
    except (ValueError, RecursionError) as error:
        raise FileError(f"{path}: not JSON ({error}); expected a complete JSON file. Remove the file.") from error
    except OSError as error:
        raise FileError(
            f"{path}: {error.strerror or error}; expected a readable file. Check its permissions."
        ) from error


def read_limited(path: Path, max_bytes: int) -> bytes:
    """Return the content of a stranger's file, which is read whole.

    Raises:
        OSError: It cannot be read.
        ValueError: It is no file, or larger than `max_bytes`; the text says which, without the path.
    """
    if not path.is_file():  # a pipe or a device would never end
        raise ValueError("is no file")
    with path.open("rb") as file:
        content = file.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise ValueError(f"more than {max_bytes // 1024**2} MiB")
    return content


@contextlib.contextmanager
def new_directory(target: Path, parts: Sequence[str], *, overwrite: bool) -> Iterator[Path]:
    """Yield an empty draft folder, whose `parts` become those of `target` if the block ends without an error.

    The draft lies beside `target` and its name begins with a dot, so that whoever lists functions skips it. Other files
    in `target` stay.

    Args:
        target: Folder that the parts go to.
        parts: Names of the folders that the caller creates in the draft; they are put in place in this order.
        overwrite: Whether existing parts are replaced.

    Raises:
        FileError: A part exists already, or the folder cannot be written.
    """
    if not overwrite:
        for part in parts:
            if (target / part).exists():
                raise FileError(f"{target / part}: exists; expected a new directory. Pass --overwrite to replace it.")
    with _writing(target):
        if target.exists() and not target.is_dir():  # before the work, though the folder is made after it
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        target.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        with _writing(target):
            draft = stack.enter_context(draft_directory(target))
        yield draft
        with _writing(target):
            target.mkdir(exist_ok=True)
            for part in parts:
                put_directory_in_place(draft / part, target / part)
            sync(target)


@contextlib.contextmanager
def replacing_directory(path: Path) -> Iterator[Path]:
    """Yield an empty folder beside `path`, which becomes `path` if the block ends without an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with draft_directory(path) as draft:
        temporary = draft / path.name
        temporary.mkdir()
        yield temporary
        for part in temporary.rglob("*"):
            sync(part)
        put_directory_in_place(temporary, path)
        sync(path.parent)


def check_new_file(path: Path, *, overwrite: bool) -> None:
    """Create the folder of a file that will be written, and find what is in the way before long work begins.

    Raises:
        FileError: The file exists and may not be replaced, is a folder, or cannot be written there.
    """
    with _writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir():
        raise FileError(f"{path}: is a folder; expected the name of a file to write. Name a file in it.")
    if path.exists() and not overwrite:
        raise FileError(f"{path}: exists; expected a new file. Pass --overwrite to replace it.")


def link_or_copy(source: Path, target: Path) -> None:
    """Create or replace a file as a hard link to another, or as a copy where the file system has no links.

    Whole or absent at any moment, but not flushed to the disk: after many files, call `sync_all` once.

    Raises:
        FileError: The file cannot be written there.
    """
    with _writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary, descriptor = _temporary_file(target, 0o666)
        try:
            try:
                temporary.unlink()
                os.link(source.resolve(), temporary)
            except OSError:  # another file system, or one without links
                shutil.copyfile(source, temporary)
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)  # also where two names of one file are left: then `replace` does nothing
            os.close(descriptor)


def sync_all(paths: Iterable[Path]) -> None:
    """Flush many files and their folders to the disk: several at once, which takes little longer than one."""
    paths = list(paths)
    with ThreadPoolExecutor(_SYNC_THREADS, "sync") as pool:
        list(pool.map(sync, paths))
        list(pool.map(sync, {path.parent for path in paths}))


def sync(path: Path) -> None:
    """Flush a file or a folder to the disk; a file system that cannot flush folders is left as it is."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):
            raise
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Turn an error of the system while `path` is written into one of ours."""
    try:
        yield
    except PreannotateError:
        raise
    except OSError as error:
        raise FileError(f"{path}: {error.strerror or error}; expected a writable place. Choose another one.") from error


def _temporary_file(path: Path, mode: int) -> tuple[Path, int]:
    """Create a temporary file beside `path` and lock it, so that nobody takes it for one of a killed writer.

    Two writers of one file, in two threads of one process too, never share one.

    Returns:
        Its path, and the descriptor that holds the lock until it is closed.
    """
    for _ in range(100):
        temporary = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}.new")
        with contextlib.suppress(FileExistsError):
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
            if hold(descriptor, temporary):
                return temporary, descriptor
            os.close(descriptor)
    raise FileExistsError(errno.EEXIST, "no free temporary name", str(path))
