"""Drawn scenes as a person would get them out of CVAT: an export "CVAT for images 1.1"."""

import io
import os
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

from preannotate.formats.cvat_xml_writer import FILE_NAME, CvatImage, annotations_xml
from preannotate.formats.cvat_xml_writer import box as cvat_box
from preannotate.synthetic.objects import LABELS
from preannotate.synthetic.scene import Scene, SceneError, draw

JPEG_QUALITY = 90
# Sets of neighbouring seeds share no scene, as long as each has fewer scenes than this.
_SEEDS_PER_SET = 1_000_000
_ZIP_TIME = (1980, 1, 1, 0, 0, 0)


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
        write = _write_zip if destination.suffix.lower() == ".zip" else _write_folder
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
    images = []
    for i in range(count):
        scene = draw(seed * _SEEDS_PER_SET + i, size)
        images.append(_annotated(f"scene_{i:04d}.jpg", scene))
        yield f"images/scene_{i:04d}.jpg", _jpeg(scene)
    yield FILE_NAME, annotations_xml(images, LABELS, task=f"drawn scenes {seed}")


def _annotated(name: str, scene: Scene) -> CvatImage:
    boxes = (
        cvat_box(scene.labels[class_id], tuple(map(float, box)), source="manual", occluded=bool(occluded))
        for box, class_id, occluded in zip(scene.boxes, scene.class_ids, scene.occluded, strict=True)
    )
    return CvatImage(name, scene.image.size, tuple(boxes))


def _jpeg(scene: Scene) -> bytes:
    stream = io.BytesIO()
    scene.image.save(stream, "JPEG", quality=JPEG_QUALITY)
    return stream.getvalue()


def _write_zip(path: Path, files: Iterator[tuple[str, bytes]]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files:
            archive.writestr(zipfile.ZipInfo(name, _ZIP_TIME), content)


def _write_folder(path: Path, files: Iterator[tuple[str, bytes]]) -> None:
    (path / "images").mkdir(parents=True)
    for name, content in files:
        (path / name).write_bytes(content)
