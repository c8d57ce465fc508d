"""PASCAL VOC: one XML file beside each image; CVAT's export and plain folders alike.

Coordinates are used as they are: CVAT writes floats that begin at 0, and the half pixel of the
original 1-based integers is less than the care with which boxes are drawn.
An XML file belongs to the image of its own name; `<filename>` is only used where there is none.
"""

from pathlib import Path
from xml.etree.ElementTree import Element

from preannotate.formats.file_tree import FileTree
from preannotate.formats.geometry import box_shape
from preannotate.formats.images import video_position
from preannotate.formats.parsing import number, read_text, read_xml, xml_root_tag
from preannotate.formats.records import DatasetError, Export, Frame, Shape

_ANNOTATION_FOLDERS = ("annotations", "labels", "xml", "xmls")
_IMAGE_FOLDERS = ("JPEGImages", "images", "")
_NO_PHOTOGRAPHS = ("SegmentationClass", "SegmentationObject")
_BACKGROUND = "background"
_MAX_LOOKS = 10


def recognise(folder: Path | FileTree) -> bool:
    """Whether the folder has XML files whose root is `<annotation>`."""
    files = FileTree.of(folder)
    if any(True for _ in files.candidates(".xml", lambda path: xml_root_tag(files.file(path)) == "annotation")):
        return True
    named = [path for path in files.with_suffix(".xml") if files.file(path).parent.name.lower() in _ANNOTATION_FOLDERS]
    return any(xml_root_tag(files.file(path)) == "" for path in named[:_MAX_LOOKS])  # damaged: `read` says where


def read(folder: Path | FileTree) -> Export:
    """Read all annotation files, and the images that have none as frames without shapes."""
    files = FileTree.of(folder)
    labelmaps = [path for path in files.paths if path.rpartition("/")[2] == "labelmap.txt"]
    labels = dict.fromkeys(label for path in labelmaps for label in _declared_labels(files, path))
    frames = []
    used: set[Path] = set()
    for path in files.with_suffix(".xml"):
        frame, image = _frame(files, path)
        labels.update(dict.fromkeys(shape.label for shape in frame.shapes))
        frames.append(frame)
        if image is not None:
            used.add(image)
    for name, image in files.images.below("", leaving_out=_NO_PHOTOGRAPHS).paths.items():
        if image not in used and not _is_mask(name):
            subset, name = _image_name(name)
            frames.append(Frame(name, image, (), subset=subset, **video_position(name, subset)))
    return Export(tuple(labels), tuple(sorted(frames, key=lambda frame: (frame.name, frame.subset))))


def _is_mask(path: str) -> bool:
    return not set(_NO_PHOTOGRAPHS).isdisjoint(path.split("/"))


def _declared_labels(files: FileTree, labelmap: str) -> list[str]:
    """Return the labels of CVAT's `label:r,g,b:parts:actions` lines; the background is no label."""
    lines = (line.strip() for line in read_text(files.file(labelmap)).splitlines())
    names = [line.rsplit(":", 3)[0] for line in lines if line and not line.startswith("#")]
    return [name for name in names if name != _BACKGROUND]


def _frame(files: FileTree, path: str) -> tuple[Frame, Path | None]:
    """Return the frame of an annotation file, and the image that it means."""
    file = files.file(path)
    root = read_xml(file)
    if root.tag != "annotation":
        raise DatasetError(
            f"{file.name}: the root is <{root.tag}>; expected <annotation>. Remove the file or export again."
        )
    images = files.images_for(path, leaving_out=_NO_PHOTOGRAPHS)
    stem = path.removeprefix(images.folder)[: -len(".xml")]
    parts = stem.split("/")
    stem = "/".join(parts[1:] if len(parts) > 1 and parts[0].lower() in _ANNOTATION_FOLDERS else parts)
    filename = (root.findtext("filename") or "").strip()
    found = images.find(stem, roots=_IMAGE_FOLDERS)
    if found.path is None and filename:
        named = images.find(filename, roots=_IMAGE_FOLDERS)
        found = named if named.path or not found.problem else found
    subset, name = _image_name(images.folder + (filename or stem))
    if found.path is not None:
        subset, image_name = _image_name(found.name)
        name = image_name if found.exact else stem
    shapes = tuple(_shape(element, file, index) for index, element in enumerate(root.findall("object"), 1))
    frame = Frame(
        name,
        found.path,
        shapes,
        declared_size=_declared_size(root, file),
        subset=subset,
        ambiguous=found.problem,
        **video_position(name, subset),
    )
    return frame, found.path


def _image_name(path: str) -> tuple[str, str]:
    """Return the folder around the folder of images, and the name of the image in that, or its path."""
    parts = path.split("/")
    place = next((index for index, part in enumerate(parts[:-1]) if part in _IMAGE_FOLDERS), None)
    if place is None:
        return "", path
    return "/".join(parts[:place]), "/".join(parts[place + 1 :])


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
