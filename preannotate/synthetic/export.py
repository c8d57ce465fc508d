"""Synthetic images as an annotation export."""

import io
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from preannotate.core.files import new_directory, replacing
from preannotate.formats import FORMATS
from preannotate.formats.archive import write_zip
from preannotate.formats.outlines import RunLengths
from preannotate.formats.records import BOX, MANUAL, Export, Frame, Shape
from preannotate.synthetic.image import SyntheticImage, SyntheticImageError, draw_image
from preannotate.synthetic.objects import LABELS
from runtime.masks import InstanceMask

JPEG_QUALITY = 90
# Sets of neighbouring seeds share no image, as long as each has fewer images than this.
_SEEDS_PER_SET = 1_000_000


def write_export(
    destination: Path,
    count: int,
    seed: int,
    size: tuple[int, int] = (640, 480),
    *,
    masks: bool = False,
    format_name: str = "cvat-images",
) -> Path:
    """Draw `count` images of `size` (width, height) and write them with their annotations.

    The same seed gives the same bytes; two seeds have no image in common. `destination` is a new zip if its name ends
    with .zip, else a new folder. With `masks` the annotations are the exact outlines of the objects, in place of boxes.
    `format_name` is a key of `formats.FORMATS` that can be written.

    Returns:
        `destination`, with the file of annotations and `images/image_0000.jpg` and so on.

    Raises:
        SyntheticImageError: The destination exists, or there is nothing to draw.
    """
    if not 1 <= count < _SEEDS_PER_SET:
        raise SyntheticImageError(f"count: {count}; expected 1 to {_SEEDS_PER_SET - 1} images.")
    if destination.exists():
        raise SyntheticImageError(f"{destination}: exists; expected a new file or folder. Remove it or choose another.")
    files = _files(count, seed, size, masks, format_name)
    if destination.suffix.lower() == ".zip":
        with replacing(destination) as temporary:
            write_zip(temporary, files)
        return destination
    annotations = next(iter(_writer(format_name)(Export((), ()))))
    with new_directory(destination, ("images", annotations.partition("/")[0]), overwrite=False) as draft:
        for name, content in files:
            (draft / name).parent.mkdir(exist_ok=True)
            (draft / name).write_bytes(content)
    return destination


def _files(count: int, seed: int, size: tuple[int, int], masks: bool, format_name: str) -> Iterator[tuple[str, bytes]]:
    """Yield the path in the export and the content of each file; the annotations come last."""
    frames = []
    for i in range(count):
        name, synthetic = f"image_{i:04d}.jpg", draw_image(seed * _SEEDS_PER_SET + i, size)
        frames.append(_frame(name, synthetic, masks))
        yield f"images/{name}", _jpeg(synthetic)
    label_types = dict.fromkeys(LABELS, "mask" if masks else "rectangle")
    yield from _writer(format_name)(Export(LABELS, tuple(frames), label_types=label_types)).items()


def _writer(format_name: str) -> Callable[[Export], Mapping[str, bytes]]:
    write = FORMATS[format_name].write
    if write is None:
        raise SyntheticImageError(f"format: {format_name}; expected one that can be written, such as cvat-images.")
    return write


def _frame(name: str, synthetic: SyntheticImage, masks: bool) -> Frame:
    shapes = (
        Shape(
            synthetic.labels[class_id],
            "mask" if masks else BOX,
            mask.box,
            source=MANUAL,
            occluded=occluded,
            outline=_outline(mask) if masks else None,
        )
        for mask, class_id, occluded in zip(
            synthetic.masks, synthetic.class_ids.tolist(), synthetic.occluded.tolist(), strict=True
        )
    )
    return Frame(name, None, tuple(shapes), declared_size=synthetic.image.size)


def _outline(mask: InstanceMask) -> RunLengths:
    return RunLengths(mask.runs.tolist(), mask.left, mask.top, mask.width, mask.height)


def _jpeg(synthetic: SyntheticImage) -> bytes:
    stream = io.BytesIO()
    synthetic.image.save(stream, "JPEG", quality=JPEG_QUALITY)
    return stream.getvalue()
