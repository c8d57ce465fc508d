"""Folders that are complete or absent, never half."""

import contextlib
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from builder.errors import BuildError


@contextlib.contextmanager
def new_directory(target: Path, parts: Sequence[str], *, overwrite: bool) -> Iterator[Path]:
    """Give an empty draft folder, whose `parts` become those of `target` if nothing goes wrong.

    The draft lies beside `target` and begins with a dot, so that whoever looks for functions passes it by.
    Other files in `target` stay.

    Args:
        target: Where the parts shall be.
        parts: Names of the folders that the caller makes in the draft; they are put in place in this order.
        overwrite: Whether parts may be there already.

    Raises:
        BuildError: A part is there already.
    """
    if not overwrite:
        for part in parts:
            if (target / part).exists():
                raise BuildError(f"{target / part}: exists; expected a new directory. Pass --overwrite to replace it.")
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        yield draft
        target.mkdir(exist_ok=True)
        for part in parts:
            if (target / part).exists():
                (target / part).rename(draft / f"old.{part}")
            (draft / part).rename(target / part)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
