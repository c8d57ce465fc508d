"""Drawn scenes as a person would get them out of CVAT: an export "CVAT for images 1.1"."""

import io
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from preannotate.formats import cvat_images
from preannotate.formats.archive import write_zip
from preannotate.formats.records import BOX, MANUAL, Export, Frame, Shape
from preannotate.synthetic.objects import LABELS
from preannotate.synthetic.scene import Scene, SceneError, draw

JPEG_QUALITY = 90
# Sets of neighbouring seeds share no scene, as long as each has fewer scenes than this.
_SEEDS_PER_SET = 1_000_000


def write_export(destination: Path, count: int, seed: int, size: tuple[int, int] = (640, 480)) -> Path:
    """Draw `count` scenes and write them with their annotations; the same seed gives the same bytes.

    Args:
        destination: A name that ends with .zip, or else that of a folder; neither may exist.
        count: Number of scenes.
        seed: Names the set; two sets have no scene in common.
        size: (width, height) of each image.

    Returns:
        `destination`, with `annotations.xml` and `images/scene_0000.jpg` and so on.

    Raises:
        SceneError: The destination exists, or there is nothing to draw.
    """
    if not 1 <= count < _SEEDS_PER_SET:
        raise SceneError(f"count: {count}; expected 1 to {_SEEDS_PER_SET - 1} scenes.")
    if destination.exists():
        raise SceneError(f"{destination}: exists; expected a new file or folder. Remove it or choose another.")
    destination.parent.mkdir(parents=True, exist_ok=True)
    temporary = destination.with_name(f".{destination.name}.{os.getpid()}.partial")
    try:
        write = write_zip if destination.suffix.lower() == ".zip" else _write_folder
        write(temporary, _files(count, seed, size))
        temporary.rename(destination)
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary)
        else:
            temporary.unlink(missing_ok=True)
    return destination


def _files(count: int, seed: int, size: tuple[int, int]) -> Iterator[tuple[str, bytes]]:
    """Path in the export and content of each file; the annotations come last."""
    frames = []
    for i in range(count):
        scene = draw(seed * _SEEDS_PER_SET + i, size)
        frames.append(_frame(f"scene_{i:04d}.jpg", scene))
        yield f"images/scene_{i:04d}.jpg", _jpeg(scene)
    yield from cvat_images.write(Export(LABELS, tuple(frames))).items()


def _frame(name: str, scene: Scene) -> Frame:
    shapes = (
        Shape(scene.labels[class_id], BOX, (x1, y1, x2, y2), source=MANUAL, occluded=occluded)
        for (x1, y1, x2, y2), class_id, occluded in zip(
            scene.boxes.tolist(), scene.class_ids.tolist(), scene.occluded.tolist(), strict=True
        )
    )
    return Frame(name, None, tuple(shapes), declared_size=scene.image.size)


def _jpeg(scene: Scene) -> bytes:
    stream = io.BytesIO()
    scene.image.save(stream, "JPEG", quality=JPEG_QUALITY)
    return stream.getvalue()


def _write_folder(path: Path, files: Iterator[tuple[str, bytes]]) -> None:
    (path / "images").mkdir(parents=True)
    for name, content in files:
        (path / name).write_bytes(content)
