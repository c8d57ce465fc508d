"""The images on which an imported model is proven: annotated ones, plain ones, or drawn ones where none are given."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evaluation.ground_truth import AnnotatedImage, GroundTruth
from preannotate.core.errors import PreannotateError
from preannotate.formats.images import IMAGE_EXTENSIONS
from preannotate.inference.image_files import ImageFile, find_images
from preannotate.model_evaluation import annotated_exports
from preannotate.synthetic import write_export
from runtime.errors import ImageError
from runtime.image import decode

# Enough to compare detections on; they are kept beside the function for every later check.
MAX_PLAIN = 50
DRAWN = 8
# Small enough that a JPEG is decoded at an eighth of its size.
_CHECK_SIZE = (32, 32)


class ProofImageError(PreannotateError, ValueError):
    """A file for the proof that is not a readable image."""


@dataclass(frozen=True)
class ProofImages:
    """Images with what is known about them.

    Attributes:
        truth: The images, with annotations or without.
        given: Whether the user gave them; synthetic images show nothing of what a model is for.
    """

    truth: GroundTruth
    given: bool


def collect_proof_images(paths: Sequence[Path], store: Path, labels: tuple[str, ...]) -> ProofImages:
    """Gather the images into `store`.

    Args:
        paths: Annotation exports; or image files and folders that hold nothing but images; or nothing.
        store: An empty folder.
        labels: Of the model.

    Raises:
        DatasetError: An export cannot be read, or none of its images can be used.
        PreannotateError: No images, or one that cannot be read.
    """
    if not paths:
        drawn = write_export(store / "drawn", DRAWN, seed=0) / "images"
        return ProofImages(_plain([drawn], store, labels), given=False)
    if all(_holds_only_images(path) for path in paths):
        return ProofImages(_plain(paths, store, labels), given=True)
    return ProofImages(annotated_exports.load(paths, store, labels), given=True)


def _holds_only_images(path: Path) -> bool:
    files = [file for file in path.rglob("*") if file.is_file()] if path.is_dir() else [path]
    visible = [file for file in files if not file.name.startswith(".")]
    return bool(visible) and all(file.suffix.lower() in IMAGE_EXTENSIONS for file in visible)


def _plain(paths: Sequence[Path], store: Path, labels: tuple[str, ...]) -> GroundTruth:
    found = find_images(paths)
    step = -(-len(found) // MAX_PLAIN)
    images = [_without_annotations(image, number, store) for number, image in enumerate(found[::step])]
    return GroundTruth(store, labels, tuple(images))


def _without_annotations(image: ImageFile, number: int, store: Path) -> AnnotatedImage:
    try:
        size = decode(image.path.read_bytes(), _CHECK_SIZE).size
    except ImageError as error:
        raise ProofImageError(f"{image.path}: {error}") from error
    file = f"{number:04d}{image.path.suffix}"
    shutil.copyfile(image.path, store / file)
    return AnnotatedImage(image.name, file, size, np.zeros((0, 4), np.float32), np.zeros(0, np.int64))
