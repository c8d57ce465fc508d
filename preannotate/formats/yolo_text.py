"""The lines of YOLO's text files, of darknet and Ultralytics alike; all coordinates are relative."""

from pathlib import Path

from preannotate.formats.errors import DatasetError
from preannotate.formats.export import BOX, Shape
from preannotate.formats.geometry import points_box
from preannotate.formats.parsing import number, read_text

_OBB_NUMBERS = 8


def parse_labels(path: Path, folder: Path, labels: list[str]) -> tuple[Shape, ...]:
    """Read one image's file.

    A line is `class cx cy w h`, with a track's id or a score after it in some dialects; or `class` and
    the points of a polygon; four points are an oriented box.

    Args:
        path: The text file.
        folder: Root of the export, for messages.
        labels: Names of the classes.

    """
    shapes = []
    for index, line in enumerate(read_text(path).splitlines(), 1):
        if line.strip():
            where = f"{path.relative_to(folder).as_posix()}: line {index}"
            shapes.append(_shape(line.split(), labels, where))
    return tuple(shapes)


def _shape(words: list[str], labels: list[str], where: str) -> Shape:
    class_id = number(words[0], f"{where}: class")
    if not class_id.is_integer() or not 0 <= class_id < len(labels):
        raise DatasetError(f"{where}: class {words[0]}; expected 0 to {len(labels) - 1}. Export again.")
    label = labels[int(class_id)]
    values = [number(word, f"{where}: a coordinate") for word in words[1:]]
    if len(values) in (4, 5):
        cx, cy, width, height = values[:4]
        return Shape(label, BOX, (cx - width / 2, cy - height / 2, cx + width / 2, cy + height / 2))
    if len(values) >= 6 and len(values) - len(values) % 2 >= 6:
        points = values[: len(values) - len(values) % 2]  # an odd one is a track's id
        return Shape(label, "rotated box" if len(points) == _OBB_NUMBERS else "polygon", points_box(points))
    raise DatasetError(
        f"{where}: {len(values)} numbers after the class; expected cx cy w h or the points of a polygon. Export again."
    )
