"""The table of annotation formats: each is a module with `recognise`, `read` and, if it can be written, `write`.

Light on purpose: no format needs more than the standard library and parsers of XML and YAML.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from preannotate.core.text import first_of
from preannotate.formats import coco, cvat_images, cvat_video, datumaro, ultralytics, voc, yolo
from preannotate.formats.file_tree import FileTree
from preannotate.formats.image_kinds import IMAGE_EXTENSIONS
from preannotate.formats.images import without_shared_files
from preannotate.formats.records import DatasetError, Export


@dataclass(frozen=True)
class Format:
    """An annotation format.

    Attributes:
        title: Name of the format in CVAT's export dialogue.
        recognise: Whether a folder's content is of this format; never raises for a foreign folder.
        read: Return the content of a folder; raises `DatasetError`.
        write: Return the annotation files of an export, path in the folder to content; None if there is no writer.
            Raises `DatasetError` for names that the format cannot hold.
    """

    title: str
    recognise: Callable[[FileTree], bool]
    read: Callable[[FileTree], Export]
    write: Callable[[Export], Mapping[str, bytes]] | None = None


FORMATS = {
    "cvat-images": Format("CVAT for images 1.1", cvat_images.recognise, cvat_images.read, cvat_images.write),
    "cvat-video": Format("CVAT for video 1.1", cvat_video.recognise, cvat_video.read),
    "coco": Format("COCO 1.0", coco.recognise, coco.read, coco.write),
    "voc": Format("PASCAL VOC 1.1", voc.recognise, voc.read),
    "yolo": Format("YOLO 1.1", yolo.recognise, yolo.read),
    "ultralytics": Format("Ultralytics YOLO Detection 1.0", ultralytics.recognise, ultralytics.read),
    "datumaro": Format("Datumaro 1.0", datumaro.recognise, datumaro.read),
}


@dataclass(frozen=True)
class RecognisedExport:
    """An export and the format that it has: a key of `FORMATS`."""

    format: str
    export: Export

    @property
    def title(self) -> str:
        """Name of the format in CVAT."""
        return FORMATS[self.format].title


def read_export(path: Path, folder: Path | FileTree) -> RecognisedExport:
    """Read a folder of any format in `FORMATS`.

    Args:
        path: The export as the user named it, for messages.
        folder: Its content, which may lie in a lone folder inside.

    Raises:
        DatasetError: No known format, images missing altogether, or an error of the reader.
    """
    files = FileTree.of(folder)
    for name, known in FORMATS.items():
        if known.recognise(files):
            try:
                export = known.read(files)
            except DatasetError as error:  # readers know the file, not which export it came with
                raise DatasetError(f"{path.name}: {error}") from error
            frames = without_shared_files(export.frames)
            export = replace(export, frames=frames, notes=(*export.notes, *files.notes))
            if export.frames and not any(frame.image or frame.ambiguous for frame in export.frames):
                raise DatasetError(
                    f"{path.name}: {known.title} with {len(export.frames)} frames but no images; "
                    f"expected their images too. Export again in CVAT with 'Save images' switched on."
                )
            return RecognisedExport(name, export)
    raise _unknown_format(path, files)


def _unknown_format(path: Path, tree: FileTree) -> DatasetError:
    titles = ", ".join(known.title for known in FORMATS.values())
    files = tree.paths
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
