"""An export on disk, zip or folder: read safely, or written.

A zip is untrusted: entries that would leave the folder, links, encrypted entries and zip bombs are
refused before the first byte is written.
"""

import contextlib
import lzma
import shutil
import stat
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from preannotate.core.drafts import EXTRACT, scratch_directory
from preannotate.formats.records import DatasetError

# Photographs hardly shrink and XML shrinks to a thirtieth: what grows 200-fold to over a gigabyte is a zip bomb.
MAX_RATIO = 200
MAX_FREE_BYTES = 1 << 30
MAX_ENTRIES = 2_000_000
_COPY_BYTES = 1 << 20
_ZIP_TIME = (1980, 1, 1, 0, 0, 0)
# What zipfile raises for a damaged or foreign file, depending on where the damage is.
_DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    UnicodeDecodeError,
    NotImplementedError,
)
_JUNK = ("__MACOSX", ".DS_Store", "Thumbs.db")


@contextlib.contextmanager
def open_export(export: Path, workspace: Path) -> Iterator[Path]:
    """Yield the folder of an export, for as long as the context lasts.

    Args:
        export: A folder, or a zip, which is extracted to a temporary folder inside `workspace`.
        workspace: An existing folder; on the file system where the images will go, they can be linked.

    Raises:
        DatasetError: No such path, no zip, a damaged zip, or a zip that is not safe to extract.
    """
    if export.is_dir():
        yield export
        return
    if not export.exists():
        raise DatasetError(f"{export}: no such file or folder; expected an annotation export, zip or folder.")
    with scratch_directory(workspace, f".{EXTRACT}") as temporary:
        target = temporary / export.stem
        target.mkdir()
        _extract(export, target)
        yield target


def write_zip(path: Path, files: Iterable[tuple[str, bytes]]) -> None:
    """Write a zip of files, path in the archive and content; the same files give the same bytes."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files:
            archive.writestr(zipfile.ZipInfo(name, _ZIP_TIME), content, zipfile.ZIP_DEFLATED)


def inner_folders(folder: Path) -> Iterator[Path]:
    """Yield the folder, and the folders inside as long as each is the only content: people zip whole folders."""
    for _ in range(4):
        yield folder
        content = [path for path in folder.iterdir() if path.name not in _JUNK and not path.name.startswith("._")]
        if len(content) != 1 or not content[0].is_dir():
            return
        folder = content[0]


def _extract(path: Path, target: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            _check_size(path, entries)
            for entry in entries:
                _extract_entry(archive, entry, target / _safe_name(path, entry), path)
    except (*_DAMAGED, OSError) as error:
        raise DatasetError(
            f"{path.name}: {error}; expected a whole zip archive or a folder. Download the export again."
        ) from error


def _check_size(path: Path, entries: list[zipfile.ZipInfo]) -> None:
    size = sum(entry.file_size for entry in entries)
    packed = sum(entry.compress_size for entry in entries) or 1
    if size > MAX_FREE_BYTES and size > MAX_RATIO * packed:
        raise DatasetError(
            f"{path.name}: unpacks {packed} bytes to {size}; expected at most {MAX_RATIO} times its size. "
            f"Unpack it yourself and give the folder if you trust it."
        )
    if len(entries) > MAX_ENTRIES:
        raise DatasetError(
            f"{path.name}: {len(entries)} entries; expected at most {MAX_ENTRIES}. "
            f"Unpack it yourself and give the folder if you trust it."
        )


def _safe_name(path: Path, entry: zipfile.ZipInfo) -> PurePosixPath:
    name = PurePosixPath(entry.filename.replace("\\", "/"))
    drive = bool(name.parts) and len(name.parts[0]) == 2 and name.parts[0][1] == ":"
    if name.is_absolute() or ".." in name.parts or drive:
        raise DatasetError(
            f"{path.name}: entry {entry.filename!r} leads out of the archive; expected names inside it. "
            f"Do not use this file; export again."
        )
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise DatasetError(
            f"{path.name}: entry {entry.filename!r} is a link or a device; expected files and folders. "
            f"Do not use this file; export again."
        )
    if entry.flag_bits & 0x1:
        raise DatasetError(
            f"{path.name}: entry {entry.filename!r} is encrypted; expected an open archive. "
            f"Unpack it yourself and give the folder."
        )
    return name


def _extract_entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, target: Path, path: Path) -> None:
    try:
        if entry.is_dir():
            target.mkdir(parents=True, exist_ok=True)
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        with archive.open(entry) as source, target.open("wb") as sink:
            shutil.copyfileobj(source, sink, _COPY_BYTES)
    except OSError as error:
        raise DatasetError(
            f"{path.name}: entry {entry.filename!r} cannot be written: {error.strerror or error}; expected "
            f"{entry.file_size} bytes of room and a usable name. Make room, or unpack it yourself."
        ) from error
