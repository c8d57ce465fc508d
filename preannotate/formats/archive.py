"""An export on disk: a folder, an archive, or a lone annotation file beside its images; and writing a zip."""

import contextlib
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from preannotate.core.drafts import EXTRACT, scratch_directory
from preannotate.formats.extraction import ARCHIVE_SUFFIXES, Budget, archive_kind, extract
from preannotate.formats.file_tree import FileTree
from preannotate.formats.records import DatasetError

# Archives in an archive, in a folder, and in these.
_MAX_LEVELS = 2
_MAX_INNER = 1000
_ZIP_TIME = (1980, 1, 1, 0, 0, 0)
# Files that are given in place of the folder around them. Others are annotation files on their own.
_FOLDER_FILES = (".yaml", ".yml", ".names", ".data", ".txt")
_ANNOTATION_FOLDERS = ("annotations", "annotation", "labels", "xml", "xmls", "json", "data")


@contextlib.contextmanager
def open_export(export: Path, workspace: Path) -> Iterator[FileTree]:
    """Yield the files of an export, for as long as the context lasts.

    Args:
        export: A folder; a zip or tar, which is extracted to a temporary folder inside `workspace`; or an annotation
            file with images beside it.
        workspace: An existing folder; on the file system where the images will go, they can be linked.

    Raises:
        DatasetError: No such path, a damaged archive, one that is not safe to extract, or a file of another kind.
    """
    if not export.exists():
        raise DatasetError(f"{export}: no such file or folder; expected an annotation export, zip or folder.")
    if not export.is_dir() and not export.is_file():
        raise DatasetError(f"{export}: a pipe or a device; expected an annotation export, zip or folder.")
    with scratch_directory(workspace, f".{EXTRACT}") as scratch:
        yield _open(export, scratch)


def with_inner_archives(files: FileTree) -> tuple[FileTree, list[str]]:
    """Extract the archives among the files: an archive `a/b.zip` becomes a folder `a/b`.

    Returns:
        All files, and the names of the archives that were not opened: damaged, encrypted, of another kind, too many.
    """
    pending, unopened = _first_archives(files.paths)
    budget = Budget(sum(files.file(path).stat().st_size for path in pending))
    for _ in range(_MAX_LEVELS):
        added: dict[str, Path] = {}
        for path in pending:
            inner = _extract_inner(files, path, budget)
            if inner is None:
                unopened.append(path)
            else:
                added |= {f"{_without_suffix(path)}/{name}": inner.file(name) for name in inner.paths}
        if not added:
            break
        files = files.with_files(added)
        pending, too_many = _first_archives(added)
        unopened += too_many
    return files, unopened


def write_zip(path: Path, files: Iterable[tuple[str, bytes]]) -> None:
    """Write a zip of files, path in the archive and content; the same files give the same bytes."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files:
            archive.writestr(zipfile.ZipInfo(name, _ZIP_TIME), content, zipfile.ZIP_DEFLATED)


def _open(export: Path, scratch: Path) -> FileTree:
    if export.is_dir():
        return FileTree(export, scratch=scratch)
    name = export.name.lower()
    try:
        is_archive = bool(archive_kind(export)) or name.endswith(ARCHIVE_SUFFIXES) or zipfile.is_zipfile(export)
    except OSError as error:
        raise DatasetError(
            f"{export}: {error.strerror or error}; expected a file that can be read. Check its permissions."
        ) from error
    if not is_archive:
        if name.endswith(_FOLDER_FILES):
            return FileTree(export.absolute().parent, scratch=scratch)
        return _around(export, scratch)
    target = scratch / "export"
    target.mkdir()
    extract(export, target, Budget(export.stat().st_size))
    return FileTree(target, scratch=scratch)


def _around(annotation_file: Path, scratch: Path) -> FileTree:
    """Return the tree of a lone annotation file: of its folder, or of the one around it if the images are there."""
    folder = annotation_file.absolute().parent
    files = FileTree(folder, annotations=annotation_file.name, scratch=scratch)
    if not files.images and not _first_archives(files.paths)[0] and folder.name.lower() in _ANNOTATION_FOLDERS:
        return FileTree(folder.parent, annotations=f"{folder.name}/{annotation_file.name}", scratch=scratch)
    return files


def _first_archives(paths: Iterable[str]) -> tuple[list[str], list[str]]:
    """Return the archives that are opened, and those that are too many."""
    found = [path for path in paths if path.lower().endswith(ARCHIVE_SUFFIXES)]
    return found[:_MAX_INNER], found[_MAX_INNER:]


def _extract_inner(files: FileTree, path: str, budget: Budget) -> FileTree | None:
    if files.scratch is None:
        return None
    target = files.scratch / f"inner-{sum(1 for _ in files.scratch.iterdir())}"
    target.mkdir()
    try:
        extract(files.file(path), target, budget)
    except (DatasetError, OSError):
        return None
    return FileTree(target)


def _without_suffix(path: str) -> str:
    return next(path[: -len(suffix)] for suffix in ARCHIVE_SUFFIXES if path.lower().endswith(suffix))
