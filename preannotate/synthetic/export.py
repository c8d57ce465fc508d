"""Synthetic images as an export in the format "CVAT for images 1.1"."""

import io
from collections.abc import Iterator
from pathlib import Path

from preannotate.core.files import new_directory, replacing
from preannotate.formats import cvat_images
from preannotate.formats.archive import write_zip
from preannotate.formats.records import BOX, MANUAL, Export, Frame, Shape
from preannotate.synthetic.image import SyntheticImage, SyntheticImageError, draw_image
from preannotate.synthetic.objects import LABELS

JPEG_QUALITY = 90
# Sets of neighbouring seeds share no image, as long as each has fewer images than this.
_SEEDS_PER_SET = 1_000_000


def write_export(destination: Path, count: int, seed: int, size: tuple[int, int] = (640, 480)) -> Path:
    """Draw `count` images of `size` (width, height) and write them with their annotations.

    The same seed gives the same bytes; two seeds have no image in common. `destination` is a new zip if its name ends
    with .zip, else a new folder.

    Returns:
        `destination`, with `annotations.xml` and `images/image_0000.jpg` and so on.

    Raises:
        SyntheticImageError: The destination exists, or there is nothing to draw.
    """
    if not 1 <= count < _SEEDS_PER_SET:
        raise SyntheticImageError(f"count: {count}; expected 1 to {_SEEDS_PER_SET - 1} images.")
    if destination.exists():
        raise SyntheticImageError(f"{destination}: exists; expected a new file or folder. Remove it or choose another.")
    files = _files(count, seed, size)
    if destination.suffix.lower() == ".zip":
        with replacing(destination) as temporary:
            write_zip(temporary, files)
        return destination
    with new_directory(destination, ("images", cvat_images.FILE_NAME), overwrite=False) as draft:
        (draft / "images").mkdir()
        for name, content in files:
            (draft / name).write_bytes(content)
    return destination


def _files(count: int, seed: int, size: tuple[int, int]) -> Iterator[tuple[str, bytes]]:
    """Yield the path in the export and the content of each file; the annotations come last."""
    frames = []
    for i in range(count):
        name, synthetic = f"image_{i:04d}.jpg", draw_image(seed * _SEEDS_PER_SET + i, size)
        frames.append(_frame(name, synthetic))
        yield f"images/{name}", _jpeg(synthetic)
    yield from cvat_images.write(Export(LABELS, tuple(frames))).items()


def _frame(name: str, synthetic: SyntheticImage) -> Frame:
    shapes = (
        Shape(synthetic.labels[class_id], BOX, (x1, y1, x2, y2), source=MANUAL, occluded=occluded)
        for (x1, y1, x2, y2), class_id, occluded in zip(
            synthetic.boxes.tolist(), synthetic.class_ids.tolist(), synthetic.occluded.tolist(), strict=True
        )
    )
    return Frame(name, None, tuple(shapes), declared_size=synthetic.image.size)


def _jpeg(synthetic: SyntheticImage) -> bytes:
    stream = io.BytesIO()
    synthetic.image.save(stream, "JPEG", quality=JPEG_QUALITY)
    return stream.getvalue()
