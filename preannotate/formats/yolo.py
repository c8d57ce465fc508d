"""YOLO 1.1 (darknet): `obj.names`, lists of images, and one text file of boxes beside each image.

The lists say `data/obj_train_data/a.jpg`, but the archive has no folder `data`. CVAT writes rotated
boxes as if unrotated, or not at all in newer versions; this format has no mark for it.
"""

from pathlib import Path

from preannotate.formats.geometry import centre_box, points_box
from preannotate.formats.images import IMAGE_EXTENSIONS, ImageIndex, video_position, without_extension
from preannotate.formats.parsing import number, read_text
from preannotate.formats.records import BOX, ROTATED_BOX, DatasetError, Export, Frame, Shape

_NAMES = "obj.names"
_PREFIX = "data/"
_OBB_NUMBERS = 8


def recognise(folder: Path) -> bool:
    """Whether the folder has `obj.names`."""
    return (folder / _NAMES).is_file()


def read(folder: Path) -> Export:
    """Read all listed images, and those found beside the lists."""
    labels = [line.strip() for line in read_text(folder / _NAMES).splitlines() if line.strip()]
    images = ImageIndex(folder)
    texts = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*.txt"))}
    frames: dict[str, Frame] = {}
    for line in _listed(folder):
        entry = line.removeprefix(_PREFIX)
        path = images.find(entry)
        key = path.relative_to(folder).as_posix() if path else entry
        frames[key] = _frame(key, path, texts, folder, labels)
    for key, path in images.paths.items():
        if key not in frames:
            frames[key] = _frame(key, path, texts, folder, labels)
    return Export(tuple(labels), tuple(frames.values()))


def parse_labels(path: Path, folder: Path, labels: list[str]) -> tuple[Shape, ...]:
    """Read one image's file.

    A line is `class cx cy w h`, with a track's id or a score after it in some dialects; or `class` and
    the points of a polygon; four points are an oriented box.
    """
    shapes = []
    for index, line in enumerate(read_text(path).splitlines(), 1):
        if line.strip():
            where = f"{path.relative_to(folder).as_posix()}: line {index}"
            shapes.append(_shape(line.split(), labels, where))
    return tuple(shapes)


def _listed(folder: Path) -> list[str]:
    """Return the lines of `train.txt` and the other subsets' lists."""
    lines = []
    for path in sorted(folder.glob("*.txt")):
        lines += [line.strip().replace("\\", "/") for line in read_text(path).splitlines()]
    return [line for line in lines if Path(line).suffix.lower() in IMAGE_EXTENSIONS]


def _frame(key: str, image: Path | None, texts: dict[str, Path], folder: Path, labels: list[str]) -> Frame:
    text_path = texts.get(without_extension(key) + ".txt")
    shapes = parse_labels(text_path, folder, labels) if text_path else ()
    subset, _, name = key.partition("/")
    if not (name and subset.startswith("obj_") and subset.endswith("_data")):
        subset, name = "", key
    return Frame(name, image, shapes, relative=True, subset=subset, **video_position(name, subset))


def _shape(words: list[str], labels: list[str], where: str) -> Shape:
    class_id = number(words[0], f"{where}: class")
    if not class_id.is_integer() or not 0 <= class_id < len(labels):
        raise DatasetError(f"{where}: class {words[0]}; expected 0 to {len(labels) - 1}. Export again.")
    label = labels[int(class_id)]
    values = [number(word, f"{where}: a coordinate") for word in words[1:]]
    if len(values) in (4, 5):
        cx, cy, width, height = values[:4]
        return Shape(label, BOX, centre_box(cx, cy, width, height))
    if len(values) >= 6 and len(values) - len(values) % 2 >= 6:
        points = values[: len(values) - len(values) % 2]  # an odd one is a track's id
        return Shape(label, ROTATED_BOX if len(points) == _OBB_NUMBERS else "polygon", points_box(points))
    raise DatasetError(
        f"{where}: {len(values)} numbers after the class; expected cx cy w h or the points of a polygon. Export again."
    )
