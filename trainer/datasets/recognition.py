"""Which format a folder is of, told by its content; and what to say if it is of none."""

from pathlib import Path

from preannotate.formats import FORMATS
from preannotate.formats.archive import inner_folders
from preannotate.formats.errors import DatasetError
from preannotate.formats.images import IMAGE_EXTENSIONS
from preannotate.formats.records import Export
from trainer.datasets.health import Found

_ENTRIES_SHOWN = 5


def read_export(path: Path, folder: Path, found: Found) -> Export:
    """Read a folder of any format in `FORMATS`.

    Args:
        path: The export as the user named it, for messages.
        folder: Its content; a lone folder inside is looked into.
        found: Where the format and the reader's notes are written down.

    Raises:
        DatasetError: No known format, images missing altogether, or what the reader says.
    """
    for inner in inner_folders(folder):
        for name, known in FORMATS.items():
            if known.recognise(inner):
                try:
                    export = known.read(inner)
                except DatasetError as error:  # readers know the file, not which export it came with
                    raise DatasetError(f"{path.name}: {error}") from error
                found.exports.append(
                    {
                        "name": path.name,
                        "format": name,
                        "title": known.title,
                        "has_sources": export.has_sources,
                    }
                )
                if export.frames and not any(f.image or f.ambiguous for f in export.frames):
                    raise DatasetError(
                        f"{path.name}: {known.title} with {len(export.frames)} frames but no images; "
                        f"expected their images too. Export again in CVAT with 'Save images' switched on."
                    )
                found.notes += [f"{path.name}: {note}" for note in export.notes]
                return export
    raise _unknown_format(path, folder)


def _unknown_format(path: Path, folder: Path) -> DatasetError:
    titles = ", ".join(known.title for known in FORMATS.values())
    entries = sorted(entry.relative_to(folder).as_posix() for entry in folder.rglob("*") if entry.is_file())
    if {"task.json", "project.json"} & {Path(entry).name for entry in entries}:
        return DatasetError(
            f"{path.name}: a CVAT backup; expected an annotation export ({titles}). "
            f"Choose 'Export task dataset' in CVAT instead of 'Backup task'."
        )
    shown = ", ".join(entries[:_ENTRIES_SHOWN]) or "nothing"
    more = f" and {len(entries) - _ENTRIES_SHOWN} more" if len(entries) > _ENTRIES_SHOWN else ""
    only_images = entries and all(Path(entry).suffix.lower() in IMAGE_EXTENSIONS for entry in entries)
    what = "images without annotations" if only_images else "no known annotation format"
    return DatasetError(
        f"{path.name}: {what} (found {shown}{more}); expected one of: {titles}. "
        f"Export the task in CVAT in one of these formats."
    )
