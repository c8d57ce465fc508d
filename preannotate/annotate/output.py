"""Files that are there whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from preannotate.annotate.errors import AnnotateError


def prepare(path: Path, *, overwrite: bool) -> None:
    """Make the folder of a file that is to be written; what stands against it is found before the work begins.

    Raises:
        AnnotateError: The file exists and may not be replaced, is a folder, or cannot be written there.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _no_place(path, error) from error
    if path.is_dir():
        raise AnnotateError(f"{path}: is a folder; expected the name of a file to write. Name a file in it.")
    if path.exists() and not overwrite:
        raise AnnotateError(f"{path}: exists; expected a new file. Pass --overwrite to replace it.")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary name beside `path` to write to; it becomes `path` if all goes well.

    Raises:
        AnnotateError: The place cannot be written to.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield temporary
        temporary.replace(path)
    except OSError as error:
        raise _no_place(path, error) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def _no_place(path: Path, error: OSError) -> AnnotateError:
    return AnnotateError(f"{path}: {error.strerror or error}; expected a place to write to. Choose another.")
