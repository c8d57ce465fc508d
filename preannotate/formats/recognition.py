"""Reads an export of any known format, recognised by its content; an unknown one is described."""

from dataclasses import dataclass
from pathlib import Path

from preannotate.core.text import first_of
from preannotate.formats import FORMATS
from preannotate.formats.archive import inner_folders
from preannotate.formats.errors import DatasetError
from preannotate.formats.images import IMAGE_EXTENSIONS
from preannotate.formats.records import Export


@dataclass(frozen=True)
class RecognisedExport:
    """An export and the format that it has: a key of `FORMATS`."""

    format: str
    export: Export

    @property
    def title(self) -> str:
        """Name of the format in CVAT."""
        return FORMATS[self.format].title


def read_export(path: Path, folder: Path) -> RecognisedExport:
    """Read a folder of any format in `FORMATS`.

    Args:
        path: The export as the user named it, for messages.
        folder: Its content, which may lie in a lone folder inside.

    Raises:
        DatasetError: No known format, images missing altogether, or an error of the reader.
    """
    for inner in inner_folders(folder):
        for name, known in FORMATS.items():
            if known.recognise(inner):
                try:
                    export = known.read(inner)
                except DatasetError as error:  # readers know the file, not which export it came with
                    raise DatasetError(f"{path.name}: {error}") from error
                if export.frames and not any(frame.image or frame.ambiguous for frame in export.frames):
                    raise DatasetError(
                        f"{path.name}: {known.title} with {len(export.frames)} frames but no images; "
                        f"expected their images too. Export again in CVAT with 'Save images' switched on."
                    )
                return RecognisedExport(name, export)
    raise _unknown_format(path, folder)


def _unknown_format(path: Path, folder: Path) -> DatasetError:
    titles = ", ".join(known.title for known in FORMATS.values())
    files = sorted(entry.relative_to(folder).as_posix() for entry in folder.rglob("*") if entry.is_file())
    if {"task.json", "project.json"} & {Path(file).name for file in files}:
        return DatasetError(
            f"{path.name}: a CVAT backup; expected an annotation export ({titles}). "
            f"Choose 'Export task dataset' in CVAT instead of 'Backup task'."
        )
    only_images = files and all(Path(file).suffix.lower() in IMAGE_EXTENSIONS for file in files)
    problem = "images without annotations" if only_images else "no known annotation format"
    return DatasetError(
        f"{path.name}: {problem} (found {first_of(files) or 'nothing'}); expected one of: {titles}. "
        f"Export the task in CVAT in one of these formats."
    )
