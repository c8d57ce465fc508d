"""The files of ready models: got once, compared with the published digest or with that of the first download."""

import os
from pathlib import Path

from preannotate.core import published_files
from preannotate.core.errors import PreannotateError
from preannotate.core.http import NoResponseError
from preannotate.core.published_files import OFFLINE_VARIABLE, KeptFile, Progress
from preannotate.core.text import printable
from preannotate.model_catalogue.entries import CatalogueModel

_SUFFIX = ".onnx"
_MIB = 1024**2
# What it takes on a slow line; a download that broke off is continued.
_DOWNLOAD_SECONDS = 3600.0
# No network is smaller.
_LEAST_BYTES = 64


class FileNotHereError(PreannotateError, OSError):
    """The file of a ready model cannot be had; the sentence says what to bring, and how."""


def kept(model: CatalogueModel) -> KeptFile | None:
    """Return the file of a model if it is here; its content is not compared. PreannotateError: a damaged record."""
    return published_files.kept(model.name, (_SUFFIX,))


def find_or_download(model: CatalogueModel, progress: Progress = lambda *_: None) -> KeptFile:
    """Return the file of a model, downloaded if it is not here or has changed since.

    Raises:
        FileNotHereError: It has no address, cannot be downloaded, or is another file than it was published.
        FileError: It cannot be written.
    """
    before = published_files.recorded(model.name, (_SUFFIX,))
    here = before is not None and before.path.is_file()
    if before is not None and here and not (_is_outdated(model, before) or published_files.is_changed(before)):
        return before
    if model.address is None:
        raise FileNotHereError(
            f"{model.name}: its authors publish no file of this kind; expected an export of yours, made as described "
            f"on {model.page}. Run: preannotate get {model.name} --from FILE"
        )
    if os.environ.get(OFFLINE_VARIABLE):
        raise _not_here(model, f"{OFFLINE_VARIABLE} is set")
    # Trust on first use: what was downloaded once is what is expected from then on.
    expected = model.sha256 or (before.sha256 if before is not None and before.source == model.address else None)

    def check(path: Path) -> None:
        if model.size not in (None, path.stat().st_size):
            raise _not_here(model, f"the answer has {path.stat().st_size} bytes in place of {model.size}")
        found = published_files.digest(path)
        if expected not in (None, found):
            what = "that was published" if model.sha256 else "of the first download"
            raise _not_here(model, f"the answer has SHA-256 {found} in place of {expected}, {what}")
        with path.open("rb") as opened:
            start = opened.read(_LEAST_BYTES)
        if len(start) < _LEAST_BYTES or start.lstrip().startswith(b"<"):  # a page of a proxy
            raise _not_here(model, "the answer is another file")

    try:
        published_files.fetch(
            model.name,
            model.address,
            check,
            lambda path: _SUFFIX,
            max_bytes=model.max_bytes,
            timeout=_DOWNLOAD_SECONDS,
            progress=progress,
        )
    except NoResponseError as error:
        raise _not_here(model, str(error)) from error
    return _recorded(model)


def bring(model: CatalogueModel, file: Path) -> tuple[KeptFile, str]:
    """Copy a file of the user, which replaces an earlier one; return it, and a note if it is not the published file.

    Raises:
        FileNotHereError: It is no file, or larger than one of this model can be.
        FileError: It cannot be written.
    """
    expected = model.address.rpartition("/")[2] if model.address else "an ONNX file"
    if not file.is_file():  # a pipe or a device would never end
        raise FileNotHereError(f"--from: {printable(str(file))!r} is not a file; expected {expected} of {model.name}.")
    size = file.stat().st_size
    limit = 4 * model.max_bytes if model.size else model.max_bytes  # another export may be larger, but not much
    if size > limit:
        raise FileNotHereError(
            f"{printable(file.name)}: more than {limit // _MIB} MiB; expected {expected} of {model.name}. "
            f"Give that file."
        )

    published_files.bring(model.name, file, lambda path: None, lambda path: _SUFFIX, max_bytes=limit)
    found = _recorded(model)
    if model.sha256 in (None, found.sha256):
        return found, ""
    return found, (
        f"{printable(file.name)} is not the file that its authors publish (SHA-256 {found.sha256[:12]}… in place of "
        f"{str(model.sha256)[:12]}…): the published accuracy may not hold for it."
    )


def _is_outdated(model: CatalogueModel, found: KeptFile) -> bool:
    """Whether a file was downloaded that the catalogue does not name any more; what the user brought stays."""
    return "://" in found.source and model.sha256 not in (None, found.sha256)


def _recorded(model: CatalogueModel) -> KeptFile:
    found = kept(model)
    if found is None:
        raise FileNotHereError(f"{model.name}: its file has been removed meanwhile; expected it to stay. Try again.")
    return found


def _not_here(model: CatalogueModel, reason: str) -> FileNotHereError:
    file = str(model.address).rpartition("/")[2]
    return FileNotHereError(
        f"{model.name}: its file is not on this machine and cannot be downloaded ({printable(reason)}); expected "
        f"{file}. Download it elsewhere from {model.address} and run: preannotate get {model.name} --from {file}"
    )
