"""The recipe of `preannotate annotate` on images: detections, overlays and an export."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from evaluation.canvas import Canvas
from evaluation.overlay import draw_overlay
from preannotate.core.files import check_new_file, replacing
from preannotate.core.progress import ProgressBar
from preannotate.formats import FORMATS
from preannotate.formats.archive import write_zip
from preannotate.formats.outlines import Outline, Polygons, RunLengths
from preannotate.formats.records import AUTOMATIC, BOX, Export, Frame, Shape
from preannotate.inference.function_process import FunctionPool, processes_for
from preannotate.inference.images import ImageDetections, ImageFile, InferenceError, UnreadableImage, find_images
from runtime.detector import Detection
from runtime.errors import RequestError
from runtime.image_file import read_image_file
from runtime.manifest import MASK, POLYGON
from runtime.polygons import polygons

# An overlay of an image in another format is a PNG file, whose suffix is added to the name of the image.
_OVERLAY_FORMATS = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG"}
WRITERS = {name: known.write for name, known in FORMATS.items() if known.write is not None}
_ZIP = ".zip"
# Formats in which several polygons may be one object; in the others it is the largest part.
_SEVERAL_PARTS = ("coco",)


def annotate_images(
    directory: Path,
    images: Sequence[Path],
    *,
    threshold: float | None = None,
    workers: int | None = None,
    overlay: Path | None = None,
    export: tuple[str, Path] | None = None,
    overwrite: bool = False,
) -> tuple[list[ImageDetections | UnreadableImage], tuple[str, ...]]:
    """Run a function on images, and write overlays and an export.

    Args:
        directory: functions/NAME/nuclio.
        images: Files and folders; folders are searched with their subfolders.
        threshold: Score from which a detection counts; None uses the function's own, one per class.
        workers: Processes; None uses as many as are worth starting.
        overlay: Folder for copies of the images with the detections drawn in; None writes none.
        export: Format, a key of `WRITERS`, and the file to write; unreadable images are left out.
        overwrite: Replace existing overlays and an existing export.

    Returns:
        A result for each image, in order; the labels of the function.

    Raises:
        InferenceError: There is no image, the function cannot be loaded, or its process ended.
        FileError: A file exists or cannot be written.
    """
    files = find_images(images, leave_out=overlay)
    overlays = _overlay_paths(files, overlay, overwrite=overwrite)
    if export is not None:
        _check_export(*export, files, overwrite=overwrite)

    def finish(image: ImageFile, result: ImageDetections | UnreadableImage) -> ImageDetections | UnreadableImage:
        if isinstance(result, UnreadableImage) or overlay is None:
            return result
        return _write_overlay(image, result, overlays[image.name])

    results = []
    with FunctionPool(directory, workers or processes_for(len(files))) as pool, ProgressBar(len(files), "image") as bar:
        for result in pool.map(files, threshold, finish):
            results.append(result)
            bar.update()
        labels, types = pool.labels, pool.label_types
    if export is not None:
        _write_export(*export, [result for result in results if isinstance(result, ImageDetections)], labels, types)
    return results, labels


def _overlay_paths(images: Sequence[ImageFile], overlay: Path | None, *, overwrite: bool) -> dict[str, Path]:
    """Image name to the file of its overlay; checked before the work begins."""
    if overlay is None:
        return {}
    if overlay.exists() and not overlay.is_dir():
        raise InferenceError(f"{overlay}: is a file; expected a folder for the overlays. Name another one.")
    originals = {os.path.realpath(image.path) for image in images}
    paths = {}
    for image in images:
        suffix = "" if Path(image.name).suffix.lower() in _OVERLAY_FORMATS else ".png"
        path = overlay / (image.name + suffix)
        if os.path.realpath(path) in originals:
            raise InferenceError(
                f"{path}: is one of the images; expected a folder without images for the overlays. Name another folder."
            )
        check_new_file(path, overwrite=overwrite)
        paths[image.name] = path
    return paths


def _write_overlay(image: ImageFile, result: ImageDetections, path: Path) -> ImageDetections | UnreadableImage:
    try:
        canvas = Canvas.decode(read_image_file(image.path)).enlarged()
    except (RequestError, OSError) as error:
        return UnreadableImage(image.name, str(error))
    picture = draw_overlay(canvas.pixels, canvas.detections(result.detections))
    with replacing(path) as temporary:
        picture.save(temporary, _OVERLAY_FORMATS[path.suffix.lower()], quality=92)
    return result


def _check_export(name: str, path: Path, images: Sequence[ImageFile], *, overwrite: bool) -> None:
    """Find before the work what could not be written after it; for that an export without annotations is written."""
    if name not in WRITERS:
        raise InferenceError(f"--export: unknown format {name!r}; expected one of: {', '.join(WRITERS)}.")
    files = WRITERS[name](Export((), tuple(Frame(image.name, None, (), declared_size=(1, 1)) for image in images)))
    suffixes = [_ZIP, *(Path(file).suffix for file in files if len(files) == 1)]
    if path.suffix.lower() not in suffixes:
        raise InferenceError(
            f"{path}: suffix {path.suffix!r}; expected {' or '.join(suffixes)} for the format {name}. Rename it."
        )
    if os.path.realpath(path) in {os.path.realpath(image.path) for image in images}:
        raise InferenceError(f"{path}: is one of the images; expected the name of another file for the export.")
    check_new_file(path, overwrite=overwrite)


def _write_export(
    name: str, path: Path, results: Sequence[ImageDetections], labels: Sequence[str], types: Mapping[str, str]
) -> None:
    frames = tuple(_frame(result, types, parts=None if name in _SEVERAL_PARTS else 1) for result in results)
    files = WRITERS[name](Export(tuple(labels), frames, label_types=types))
    with replacing(path) as temporary:
        if path.suffix.lower() == _ZIP:
            write_zip(temporary, files.items())
        else:
            temporary.write_bytes(*files.values())


def _frame(result: ImageDetections, types: Mapping[str, str], *, parts: int | None) -> Frame:
    shapes = tuple(_shape(found, types[found.label], parts) for found in result.detections)
    return Frame(result.name, None, shapes, declared_size=result.size)


def _shape(found: Detection, label_type: str, parts: int | None) -> Shape:
    """Return a detection with the outline that its label wants; of polygons, at most so many parts."""
    kind: str = BOX
    outline: Outline | None = None
    if (mask := found.mask) is not None and label_type == MASK:
        kind, outline = label_type, RunLengths(mask.runs.tolist(), mask.left, mask.top, mask.width, mask.height)
    elif mask is not None and label_type == POLYGON:
        kind = label_type
        outline = Polygons.of(points.reshape(-1) for points in polygons(mask, parts=parts))
    return Shape(found.label, kind, found.box, source=AUTOMATIC, score=found.score, outline=outline)
