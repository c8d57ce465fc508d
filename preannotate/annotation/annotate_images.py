"""The recipe of `preannotate annotate`: images in; a table or JSON, overlays and an export out."""

import sys
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from builder.function_directory import FunctionDirectory
from evaluation.overlay import draw_overlay
from preannotate.core.files import check_new_file, replacing
from preannotate.formats import FORMATS
from preannotate.formats.archive import write_zip
from preannotate.formats.records import AUTOMATIC, BOX, Export, Frame, Shape
from preannotate.inference.errors import InferenceError
from preannotate.inference.image_files import ImageFile, find_images
from preannotate.inference.pool import FunctionPool, processes_for
from preannotate.inference.results import ImageDetections, UnreadableImage, as_table
from preannotate.inference.results import as_json as json_text
from runtime.errors import RequestError
from runtime.image import decode

# Formats an overlay keeps; of any other image it becomes a PNG beside the original's name.
_OVERLAY_FORMATS = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG"}
WRITERS = {name: known.write for name, known in FORMATS.items() if known.write is not None}
_ZIP = ".zip"


def run(
    function: Path,
    images: Sequence[Path],
    *,
    overlay: Path | None = None,
    threshold: float | None = None,
    export: tuple[str, Path] | None = None,
    as_json: bool = False,
    overwrite: bool = False,
    workers: int | None = None,
) -> int:
    """Annotate images with a built function and print what it found.

    Args:
        function: `functions/NAME` or `functions/NAME/nuclio`.
        images: Files and folders; folders are searched with all that lies in them.
        overlay: Folder for pictures with the detections drawn in; None draws none.
        threshold: Score from which a detection counts; None uses the function's own, one for each class.
        export: Format, a key of `WRITERS`, and the file to write; images that cannot be read are left out.
        as_json: Print JSON instead of a table.
        overwrite: Replace existing overlays and an existing export.
        workers: Processes that share the work; None takes as many as are worth starting.

    Returns:
        0, or 1 if an image could not be read; the others are annotated all the same.

    Raises:
        InferenceError: Nothing can be done; one sentence says why.
        BuildError: `function` is no function directory.
    """
    check_numbers(threshold, workers)
    directory = FunctionDirectory.open(function).path
    found = find_images(images, leave_out=overlay)
    overlays = _overlay_paths(found, overlay, overwrite=overwrite)
    if export is not None:
        _check_export(*export, found, overwrite=overwrite)

    def finish(image: ImageFile, result: ImageDetections | UnreadableImage) -> ImageDetections | UnreadableImage:
        drawn = overlays and isinstance(result, ImageDetections)
        return _write_overlay(image, result, overlays[image.name]) if drawn else result

    with FunctionPool(directory, workers or processes_for(len(found))) as pool:
        labels = pool.labels
        answers = pool.map(found, threshold, finish)
        results = list(tqdm(answers, total=len(found), unit="image", file=sys.stderr, disable=None))
    if export is not None:
        _write_export(*export, [result for result in results if isinstance(result, ImageDetections)], labels)
    _print(json_text(str(function), labels, results) if as_json else as_table(results))
    return int(any(isinstance(result, UnreadableImage) for result in results))


def check_numbers(threshold: float | None, workers: int | None) -> None:
    """Refuse impossible ones.

    Raises:
        InferenceError: See the words.
    """
    if threshold is not None and not 0 <= threshold <= 1:
        raise InferenceError(f"--threshold: {threshold!r}; expected a number in [0, 1].")
    if workers is not None and workers < 1:
        raise InferenceError(f"--workers: {workers}; expected a number from 1 on. Choose another.")


def _overlay_paths(images: Sequence[ImageFile], overlay: Path | None, *, overwrite: bool) -> dict[str, Path]:
    """Where the overlay of each image goes; checked before the work begins."""
    if overlay is None:
        return {}
    if overlay.exists() and not overlay.is_dir():
        raise InferenceError(f"{overlay}: is a file; expected a folder for the overlays. Name another.")
    originals = {image.path.resolve() for image in images}
    paths = {}
    for image in images:
        suffix = "" if Path(image.name).suffix.lower() in _OVERLAY_FORMATS else ".png"
        path = overlay / (image.name + suffix)
        if path.resolve() in originals:
            raise InferenceError(
                f"{path}: is one of the images; expected a folder for the overlays that holds none. Name another."
            )
        check_new_file(path, overwrite=overwrite)
        paths[image.name] = path
    return paths


def _write_overlay(image: ImageFile, answer: ImageDetections, path: Path) -> ImageDetections | UnreadableImage:
    try:
        pixels = decode(image.path.read_bytes()).pixels
    except (RequestError, OSError) as error:
        return UnreadableImage(image.name, str(error))
    picture = draw_overlay(pixels, answer.detections)
    with replacing(path) as temporary:
        picture.save(temporary, _OVERLAY_FORMATS[path.suffix.lower()], quality=92)
    return answer


def _check_export(name: str, path: Path, images: Sequence[ImageFile], *, overwrite: bool) -> None:
    """Refuse before the work what could not be written after it; the names of the images are written once for that."""
    if name not in WRITERS:
        raise InferenceError(f"--export: unknown format {name!r}; expected one of: {', '.join(WRITERS)}.")
    files = WRITERS[name](Export((), tuple(Frame(image.name, None, (), declared_size=(1, 1)) for image in images)))
    suffixes = [_ZIP, *(Path(file).suffix for file in files if len(files) == 1)]
    if path.suffix.lower() not in suffixes:
        raise InferenceError(
            f"{path}: suffix {path.suffix!r}; expected {' or '.join(suffixes)} for the format {name}. Rename it."
        )
    if path.resolve() in {image.path.resolve() for image in images}:
        raise InferenceError(f"{path}: is one of the images; expected another file to write.")
    check_new_file(path, overwrite=overwrite)


def _write_export(name: str, path: Path, answers: Sequence[ImageDetections], labels: Sequence[str]) -> None:
    files = WRITERS[name](Export(tuple(labels), tuple(map(_frame, answers))))
    with replacing(path) as temporary:
        if path.suffix.lower() == _ZIP:
            write_zip(temporary, files.items())
        else:
            temporary.write_bytes(*files.values())


def _frame(answer: ImageDetections) -> Frame:
    shapes = (Shape(found.label, BOX, found.box, source=AUTOMATIC, score=found.score) for found in answer.detections)
    return Frame(answer.name, None, tuple(shapes), declared_size=answer.size)


def _print(text: str) -> None:
    """Print what the terminal can show; file names may hold anything."""
    encoding = sys.stdout.encoding or "utf-8"
    print(text.encode(encoding, "backslashreplace").decode(encoding))
