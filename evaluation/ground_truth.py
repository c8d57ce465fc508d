"""Annotated images on disk: the frozen validation images that every artefact of a model is scored on.

A folder with `ground_truth.json` and the image files it names; it can be moved and copied as a whole.
"""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from runtime.manifest import RECTANGLE
from runtime.masks import InstanceMask

FILE_NAME = "ground_truth.json"


@dataclass(frozen=True)
class AnnotatedImage:
    """One image and its objects.

    Attributes:
        file: Path relative to the folder.
        size: (width, height) after EXIF rotation.
        boxes: float32 (G, 4), xyxy, image pixels.
        class_ids: int64 (G,).
        masks: One for each box, in image pixels; None for a box that was drawn as a box. Empty for networks that find
            boxes only.
    """

    name: str
    file: str
    size: tuple[int, int]
    boxes: np.ndarray
    class_ids: np.ndarray
    masks: tuple[InstanceMask | None, ...] = ()


@dataclass(frozen=True)
class GroundTruth:
    """Labels and annotated images; `folder` is where the files of the images lie."""

    folder: Path
    labels: tuple[str, ...]
    images: tuple[AnnotatedImage, ...]

    def data(self, image: AnnotatedImage) -> bytes:
        """The image file's bytes."""
        return (self.folder / image.file).read_bytes()


def read(folder: Path) -> GroundTruth:
    """Read a folder that `write` made.

    Raises:
        ValueError: `ground_truth.json` is missing or broken.
    """
    path = folder / FILE_NAME
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        images = tuple(map(_from_json, content["images"]))
        return GroundTruth(folder, tuple(content["labels"]), images)
    except (OSError, ValueError, KeyError, TypeError, IndexError, RecursionError) as error:
        raise ValueError(
            f"{path}: {type(error).__name__} {error}; expected the frozen validation images of a run. Train again."
        ) from error


def write(folder: Path, labels: Sequence[str], images: Sequence[AnnotatedImage]) -> None:
    """Write `ground_truth.json`; the image files are the caller's."""
    content = {
        "labels": list(labels),
        "images": [_to_json(image) for image in images],
    }
    (folder / FILE_NAME).write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def _from_json(image: Mapping[str, Any]) -> AnnotatedImage:
    masks = tuple(None if mask is None else InstanceMask.from_json(mask) for mask in image.get("masks", ()))
    if masks and len(masks) != len(image["boxes"]):
        raise ValueError(f"{image['name']}: {len(masks)} masks of {len(image['boxes'])} boxes")
    return AnnotatedImage(
        name=image["name"],
        file=image["file"],
        size=(int(image["size"][0]), int(image["size"][1])),
        boxes=np.array(image["boxes"], np.float32).reshape(-1, 4),
        class_ids=np.array(image["class_ids"], np.int64),
        masks=masks,
    )


def _to_json(image: AnnotatedImage) -> dict[str, Any]:
    content = {
        "name": image.name,
        "file": image.file,
        "size": list(image.size),
        "boxes": [[round(float(value), 3) for value in box] for box in image.boxes],
        "class_ids": [int(class_id) for class_id in image.class_ids],
    }
    masks = [None if mask is None else mask.to_json() for mask in image.masks]
    return content | ({"masks": masks} if masks else {})


def with_answered_masks(
    images: Sequence[AnnotatedImage], label_type: Callable[[int], str]
) -> tuple[AnnotatedImage, ...]:
    """Return the images without the masks of labels that are answered with rectangles: nobody asks for these.

    Args:
        images: Of a ground truth.
        label_type: Of a class id, as `Manifest.label_type`.
    """
    return tuple(_with_answered_masks(image, label_type) for image in images)


def _with_answered_masks(image: AnnotatedImage, label_type: Callable[[int], str]) -> AnnotatedImage:
    masks = tuple(
        None if label_type(int(class_id)) == RECTANGLE else mask
        for class_id, mask in zip(image.class_ids, image.masks or (None,) * len(image.boxes), strict=True)
    )
    return replace(image, masks=masks if any(mask is not None for mask in masks) else ())


def filled_box(box: Sequence[float]) -> InstanceMask:
    """Return a mask of all pixels that a box touches."""
    x1, y1, x2, y2 = math.floor(box[0]), math.floor(box[1]), math.ceil(box[2]), math.ceil(box[3])
    width, height = max(x2 - x1, 1), max(y2 - y1, 1)
    return InstanceMask(x1, y1, width, height, np.array([0, width * height]))
