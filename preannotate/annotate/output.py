"""Files that are there whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from preannotate.annotate.errors import AnnotateError


def refuse_existing(path: Path, *, overwrite: bool) -> None:
    """Stop before the work begins rather than replace someone's file.

    Raises:
        AnnotateError: The file exists and may not be replaced, or is a folder.
    """
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
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        temporary.replace(path)
    except OSError as error:
        raise AnnotateError(
            f"{path}: {error.strerror or error}; expected a place to write to. Choose another."
        ) from error
    finally:
        temporary.unlink(missing_ok=True)
