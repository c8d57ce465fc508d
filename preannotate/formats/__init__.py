"""The table of annotation formats: each is a module with `recognise`, `read` and, if it can be written, `write`.

Light on purpose: no format needs more than the standard library and parsers of XML and YAML.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from preannotate.core.text import first_of
from preannotate.formats import coco, cvat_images, cvat_video, datumaro, labelme, ultralytics, voc, yolo
from preannotate.formats.archive import with_inner_archives
from preannotate.formats.cvat_xml import join_label_types
from preannotate.formats.file_tree import FileTree
from preannotate.formats.geometry import with_fractions
from preannotate.formats.image_kinds import IMAGE_EXTENSIONS
from preannotate.formats.image_names import with_plain_names
from preannotate.formats.records import DatasetError, Export, Frame
from preannotate.formats.shared_files import without_shared_files
from preannotate.formats.unsupported import damaged_file, describe


@dataclass(frozen=True)
class Format:
    """An annotation format.

    Attributes:
        title: Name of the format in CVAT's export dialogue.
        recognise: Whether a folder's content is of this format; never raises for a foreign folder.
        read: Return the content of a folder, with outlines if `outlines=True`; raises `DatasetError`.
        write: Return the annotation files of an export, path in the folder to content; None if there is no writer.
            Raises `DatasetError` for names that the format cannot hold.
    """

    title: str
    recognise: Callable[[FileTree], bool]
    read: Callable[..., Export]
    write: Callable[[Export], Mapping[str, bytes]] | None = None


FORMATS = {
    "cvat-images": Format("CVAT for images 1.1", cvat_images.recognise, cvat_images.read, cvat_images.write),
    "cvat-video": Format("CVAT for video 1.1", cvat_video.recognise, cvat_video.read),
    "coco": Format("COCO 1.0", coco.recognise, coco.read, coco.write),
    "voc": Format("PASCAL VOC 1.1", voc.recognise, voc.read),
    "ultralytics": Format("Ultralytics YOLO Detection 1.0", ultralytics.recognise, ultralytics.read),
    "yolo": Format("YOLO 1.1", yolo.recognise, yolo.read),
    "datumaro": Format("Datumaro 1.0", datumaro.recognise, datumaro.read),
    "labelme": Format("LabelMe", labelme.recognise, labelme.read),
}
# The reader of the first reads the second with it.
_SAME_FILES = (("ultralytics", "yolo"),)
# Of other files of the same export: both are read.
_OTHER_FILES = (("cvat-images", "cvat-video"),)


@dataclass(frozen=True)
class RecognisedExport:
    """An export and the format that it has: a key of `FORMATS`."""

    format: str
    export: Export

    @property
    def title(self) -> str:
        """Name of the format in CVAT."""
        return FORMATS[self.format].title

    @property
    def found_images(self) -> int:
        """Number of frames with an image."""
        return sum(frame.image is not None for frame in self.export.frames)

    @property
    def has_missing_images(self) -> bool:
        """Whether frames have no image, and nothing is known of it."""
        return any(frame.image is None and not frame.problem for frame in self.export.frames)

    @property
    def has_shapes(self) -> bool:
        """Whether anything is annotated."""
        return any(frame.shapes for frame in self.export.frames)

    def holds_more_than(self, other: "RecognisedExport") -> bool:
        """Whether it has images, or annotations at all, that the other lacks."""
        return self.found_images > other.found_images or (self.has_shapes and not other.has_shapes)


def is_known_format(files: FileTree) -> bool:
    """Return whether a folder's content is of a format in `FORMATS`, and not just images."""
    return any(known.recognise(files) for known in FORMATS.values())


def read_export(path: Path, folder: Path | FileTree, *, outlines: bool = False) -> RecognisedExport:
    """Read a folder of any format in `FORMATS`.

    Archives in it are opened if there is no annotation file outside of them, or if images are missing.

    Args:
        path: The export as the user named it, for messages.
        folder: Its content, which may lie in a lone folder inside.
        outlines: Keep the outlines of polygons, masks, …, and not only their boxes.

    Raises:
        DatasetError: No known format, images missing altogether, or an error of the reader.
    """
    files = FileTree.of(folder)
    recognised = _read(path, files, outlines)
    unopened: list[str] = []
    if recognised is None or recognised.has_missing_images or not recognised.has_shapes:
        more, unopened = with_inner_archives(files)
        again = _read(path, more, outlines) if more is not files else None
        if again is not None and (recognised is None or again.holds_more_than(recognised)):
            recognised, files = again, more
    if recognised is None:
        raise _unknown_format(path, files)
    export = recognised.export
    if unopened:
        note = f"archives that cannot be opened: {first_of(unopened)}. What is inside is missing here; unpack it."
        export = replace(export, frames=_maybe_in_archive(export.frames, unopened), notes=(*export.notes, note))
    if export.frames and not any(frame.image or frame.problem for frame in export.frames):
        remedy = "Export again in CVAT with 'Save images' switched on."
        if files.annotations is not None:
            remedy = "Put the file beside its images, or give the folder or the archive that holds both."
        raise DatasetError(
            f"{path.name}: {recognised.title} with {len(export.frames)} frames but no images; "
            f"expected their images too. {remedy}"
        )
    export = replace(export, notes=(*export.notes, *files.notes))
    return replace(recognised, export=with_fractions(export))


def _read(path: Path, files: FileTree, outlines: bool) -> RecognisedExport | None:
    """Return the content of files, or None for no known format.

    Of several formats the first counts that can be read and has images: a stale file of another stops nothing.
    """
    formats = [name for name, known in FORMATS.items() if known.recognise(files)]
    without_images: RecognisedExport | None = None
    first_error: DatasetError | None = None
    for name in formats:
        try:
            recognised = _read_as(name, formats, files, outlines)
        except DatasetError as error:
            first_error = first_error or error
            continue
        if recognised.found_images:
            return recognised
        without_images = without_images or recognised
    if without_images is None and first_error is not None:  # readers know the file, not which export it came with
        raise DatasetError(f"{path.name}: {first_error}") from first_error
    return without_images


def _read_as(name: str, formats: list[str], files: FileTree, outlines: bool) -> RecognisedExport:
    """Return the content of files as the format `name`; `formats` are all that they have."""
    joined = [name, *(other for other in formats if (name, other) in _OTHER_FILES)]
    export = _join([FORMATS[part].read(files, outlines=outlines) for part in joined])
    frames = with_plain_names(without_shared_files(export.frames, subsets_are_folders=export.has_sources))
    known = {*joined, *(other for one, other in _SAME_FILES if one == name)}
    notes = list(export.notes)
    if others := [FORMATS[other].title for other in formats if other not in known]:
        notes.append(f"also has annotations in the format {first_of(others)}, not read: give their files on their own.")
    return RecognisedExport(name, replace(export, frames=frames, notes=tuple(notes)))


def _join(exports: list[Export]) -> Export:
    return Export(
        tuple(dict.fromkeys(label for export in exports for label in export.labels)),
        tuple(frame for export in exports for frame in export.frames),
        has_sources=all(export.has_sources for export in exports),
        label_types=join_label_types(export.label_types for export in exports),
        notes=tuple(note for export in exports for note in export.notes),
        left_out=tuple(entry for export in exports for entry in export.left_out),
    )


def _maybe_in_archive(frames: tuple[Frame, ...], unopened: list[str]) -> tuple[Frame, ...]:
    problem = f"perhaps in {first_of(unopened, 2)}, which cannot be opened: unpack it"
    return tuple(replace(f, problem=problem) if f.image is None and not f.problem else f for f in frames)


def _unknown_format(path: Path, files: FileTree) -> DatasetError:
    titles = ", ".join(known.title for known in FORMATS.values())
    paths = files.with_suffix("")
    only_images = paths and all(Path(file).suffix.lower() in IMAGE_EXTENSIONS for file in paths)
    if (known := describe(files)) is not None:
        title, remedy = known
        return DatasetError(f"{path.name}: {title}, which is not read; expected one of: {titles}. {remedy}.")
    if (error := damaged_file(files)) is not None:
        return DatasetError(f"{path.name}: {error}")
    problem = "images without annotations" if only_images else "no known annotation format"
    return DatasetError(
        f"{path.name}: {problem} (found {first_of(paths) or 'nothing'}); expected one of: {titles}. "
        f"Export the task in CVAT in one of these formats."
    )
