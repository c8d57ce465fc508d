"""YOLO 1.1 (darknet): `obj.names`, lists of images, and one text file of boxes beside each image.

The lists say `data/obj_train_data/a.jpg`, but the archive has no folder `data`. CVAT writes rotated
boxes as if unrotated, or not at all in newer versions; this format cannot tell.
"""

from pathlib import Path

from preannotate.formats.export import Export, Frame
from preannotate.formats.images import IMAGE_EXTENSIONS, ImageIndex, video_frame, without_extension
from preannotate.formats.parsing import read_text
from preannotate.formats.yolo_text import parse_labels

_NAMES = "obj.names"
_PREFIX = "data/"


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


def _listed(folder: Path) -> list[str]:
    """Lines of `train.txt` and the other subsets' lists."""
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
    frame = video_frame(name)
    sequence = None if frame is None else f"{subset}/{Path(name).parent.as_posix()}"
    return Frame(name, image, shapes, relative=True, subset=subset, sequence=sequence, frame=frame)
