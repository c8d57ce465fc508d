"""`preannotate import`: a detector trained elsewhere, and the images on which it is verified.

The images are annotated exports, or photos, or synthetic images where none are given.
"""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from builder.build import build
from builder.imports.import_model import ImportRequest, ImportResult, import_model, with_labels
from builder.imports.label_choice import LabelChoice
from builder.proof import of_whole_network
from evaluation.ground_truth import AnnotatedImage, GroundTruth
from preannotate.core.drafts import working_directory
from preannotate.core.errors import UsageError
from preannotate.formats.file_tree import is_junk
from preannotate.formats.image_kinds import IMAGE_EXTENSIONS
from preannotate.inference.images import ImageFile, find_images
from preannotate.model_evaluation.evaluate import load_ground_truth
from preannotate.synthetic import write_export
from runtime.errors import ImageError
from runtime.image import decode
from runtime.image_file import read_image_file

# Enough to compare detections on; they are kept beside the function for every later check.
MAX_PHOTOS = 50
SYNTHETIC_IMAGES = 8
# Small enough that a JPEG is decoded at an eighth of its size.
_CHECK_SIZE = (32, 32)


def import_with_proof_images(
    request: ImportRequest,
    images: Sequence[Path],
    directory: Path,
    *,
    overwrite: bool,
    progress: Callable[[str], None],
) -> ImportResult:
    """Import a model into the run `directory`; `images` are those of `collect_proof_images`.

    `progress` is called with the name of each step; errors are those of `import_model` as well.
    """
    request = with_labels(request)
    chosen = request.chosen
    with working_directory() as store:
        truth = collect_proof_images(images, Path(store), chosen.names)
        if chosen.narrowed and not images:
            request = _prove_whole_network(request, truth, Path(store) / "whole", progress)
        # Synthetic images show nothing of what a model is for.
        return import_model(
            request, truth, directory, for_calibration=bool(images), overwrite=overwrite, progress=progress
        )


def _prove_whole_network(
    request: ImportRequest, truth: GroundTruth, folder: Path, progress: Callable[[str], None]
) -> ImportRequest:
    """Build the function with all labels in `folder` and compare that; return the request with what was compared.

    Synthetic images show a network some of its classes, and hardly those that were chosen: a proof of these alone would
    compare nothing. The network that is left is the same but for the scores that are not read any more.
    """
    progress(f"Verifying the whole network, with all {len(request.labels)} labels")
    whole = replace(request, choice=LabelChoice())
    truth = replace(truth, labels=request.labels)
    result = import_model(whole, truth, folder / "run", for_calibration=False, progress=progress)
    built = build(result.directory, folder / "functions", name="whole", progress=progress)
    compared = of_whole_network(built.proof, len(request.labels))
    return replace(request, adapter=result.manifest.family, whole_network=compared)


def collect_proof_images(paths: Sequence[Path], store: Path, labels: tuple[str, ...]) -> GroundTruth:
    """Gather images in the empty folder `store`, with their annotations if they have any.

    `paths` are annotation exports; or image files and folders that hold nothing but images; or nothing.

    Raises:
        DatasetError: An export cannot be read, or none of its images can be used.
        PreannotateError: No image, or an image that cannot be read.
    """
    if not paths:
        paths = [write_export(store / "synthetic", SYNTHETIC_IMAGES, seed=0) / "images"]
    if not all(_holds_only_images(path) for path in paths):
        return load_ground_truth(paths, store, labels, masks=True)
    found = find_images(paths)
    step = -(-len(found) // MAX_PHOTOS)
    images = [_without_annotations(image, number, store) for number, image in enumerate(found[::step])]
    return GroundTruth(store, labels, tuple(images))


def _holds_only_images(path: Path) -> bool:
    files = [file for file in path.rglob("*") if file.is_file()] if path.is_dir() else [path]
    visible = [file for file in files if not file.name.startswith(".") and not is_junk(file.name)]
    return bool(visible) and all(file.suffix.lower() in IMAGE_EXTENSIONS for file in visible)


def _without_annotations(image: ImageFile, number: int, store: Path) -> AnnotatedImage:
    try:
        size = decode(read_image_file(image.path), _CHECK_SIZE).size
    except ImageError as error:
        raise UsageError(f"{image.path}: {error}") from error
    file = f"{number:04d}{image.path.suffix}"
    shutil.copyfile(image.path, store / file)
    return AnnotatedImage(image.name, file, size, np.zeros((0, 4), np.float32), np.zeros(0, np.int64))
