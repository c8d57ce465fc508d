"""PASCAL VOC: one XML file beside each image; CVAT's export and plain folders alike.

Coordinates are used as they are: CVAT writes floats that begin at 0, and the half pixel of the
original 1-based integers is less than the care with which boxes are drawn.
An XML file belongs to the image of its own name; `<filename>` is only used where there is none.
"""

from collections.abc import Iterator
from pathlib import Path
from xml.etree.ElementTree import Element

from preannotate.formats.geometry import box_shape
from preannotate.formats.images import ImageIndex, video_position
from preannotate.formats.parsing import number, read_text, read_xml, xml_root_tag
from preannotate.formats.records import DatasetError, Export, Frame, Shape

_ANNOTATION_FOLDERS = ("annotations", "labels", "xml", "xmls")
_IMAGE_FOLDERS = ("JPEGImages", "images", "")
_NO_PHOTOGRAPHS = ("SegmentationClass", "SegmentationObject")
_BACKGROUND = "background"


def recognise(folder: Path) -> bool:
    """Whether the folder has an XML file whose root is `<annotation>`."""
    first = next(_annotation_files(folder), None)
    if first is None:
        return False
    tag = xml_root_tag(first)  # "": damaged, `read` says where
    return tag == "annotation" or (tag == "" and first.parent != folder)


def read(folder: Path) -> Export:
    """Read all annotation files, and the images that have none as frames without shapes."""
    images = ImageIndex(folder, leaving_out=_NO_PHOTOGRAPHS)
    labels = dict.fromkeys(_declared_labels(folder / "labelmap.txt"))
    frames = []
    for path in sorted(_annotation_files(folder)):
        frame = _frame(path, folder, images)
        labels.update(dict.fromkeys(shape.label for shape in frame.shapes))
        frames.append(frame)
    seen = {frame.image for frame in frames}
    for path in images.paths.values():
        if path not in seen:
            name = _image_name(path, folder)
            frames.append(Frame(name, path, (), **video_position(name)))
    return Export(tuple(labels), tuple(sorted(frames, key=lambda frame: frame.name)))


def _annotation_files(folder: Path) -> Iterator[Path]:
    folders = [path for path in folder.iterdir() if path.is_dir()]
    roots = [path for path in folders if path.name.lower() in _ANNOTATION_FOLDERS]
    if roots:
        found = (path for root in roots for path in root.rglob("*.xml"))
    elif len(folders) > 1:  # train/, test/, each with XML files beside images
        found = (path for place in (folder, *folders) for path in place.glob("*.xml"))
    else:
        found = folder.glob("*.xml")
    yield from (path for path in found if not path.name.startswith("._"))


def _declared_labels(labelmap: Path) -> list[str]:
    """Return the labels of CVAT's `label:r,g,b:parts:actions` lines; the background is no label."""
    if not labelmap.is_file():
        return []
    lines = (line.strip() for line in read_text(labelmap).splitlines())
    names = [line.rsplit(":", 3)[0] for line in lines if line and not line.startswith("#")]
    return [name for name in names if name != _BACKGROUND]


def _frame(path: Path, folder: Path, images: ImageIndex) -> Frame:
    root = read_xml(path)
    if root.tag != "annotation":
        raise DatasetError(
            f"{path.name}: the root is <{root.tag}>; expected <annotation>. Remove the file or export again."
        )
    parts = path.relative_to(folder).with_suffix("").parts
    stem = Path(*parts[1:] if len(parts) > 1 and parts[0].lower() in _ANNOTATION_FOLDERS else parts).as_posix()
    filename = (root.findtext("filename") or "").strip()
    image = images.find(stem, roots=_IMAGE_FOLDERS)
    if image is None and filename:
        image = images.find(filename, roots=_IMAGE_FOLDERS)
    name = _image_name(image, folder) if image else filename or stem
    shapes = tuple(_shape(element, path, index) for index, element in enumerate(root.findall("object"), 1))
    return Frame(name, image, shapes, declared_size=_declared_size(root, path), **video_position(name))


def _image_name(path: Path, folder: Path) -> str:
    parts = path.relative_to(folder).parts
    return Path(*parts[1:] if len(parts) > 1 and parts[0] in _IMAGE_FOLDERS else parts).as_posix()


def _declared_size(root: Element, path: Path) -> tuple[int, int] | None:
    texts = ((root.findtext(f"size/{side}") or "0").strip() for side in ("width", "height"))
    width, height = (int(number(text, f"{path.name}: <size>")) for text in texts)
    return (width, height) if width > 0 and height > 0 else None


def _shape(element: Element, path: Path, index: int) -> Shape:
    where = f"{path.name}: object {index}"
    label = (element.findtext("name") or "").strip()
    if not label:
        raise DatasetError(f"{where} has no <name>; expected a label. Correct the object or export again.")
    corners = [element.findtext(f"bndbox/{name}") for name in ("xmin", "ymin", "xmax", "ymax")]
    x1, y1, x2, y2 = (number(corner, f"{where}: a corner of <bndbox>") for corner in corners)
    degrees = 0.0
    for attribute in element.findall("attributes/attribute"):
        if attribute.findtext("name") == "rotation":
            degrees = number(attribute.findtext("value"), f"{where}: rotation")
    return box_shape(label, (x1, y1, x2, y2), degrees)
