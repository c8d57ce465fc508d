"""Exports that are known and not read: what they are, and how to get one that is."""

import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from preannotate.core.encodings import EncodingError, decode_text
from preannotate.formats.extraction import ARCHIVE_SUFFIXES
from preannotate.formats.file_tree import FileTree
from preannotate.formats.records import DatasetError

_CONVERT = "Convert it to COCO, for example with Datumaro or FiftyOne"
_IMPORT = "Import it into CVAT and export it as 'CVAT for images 1.1', or convert it to COCO with Datumaro or FiftyOne"
# Keys of the first object of a JSON file, by which its format is known.
_JSON_KEYS = (
    ({"item", "annotations"}, "V7 Darwin"),
    ({"dataset", "image", "annotations"}, "V7 Darwin"),
    ({"images", "label_classes"}, "Hasty"),
    ({"metadata", "instances"}, "SuperAnnotate"),
    ({"filename", "itemMetadata"}, "Dataloop"),
    ({"label_hash"}, "Encord"),
    ({"externalId", "labels"}, "Kili"),
    ({"captures"}, "Unity Perception"),
)
# Of pictures of masks, beside the images of PASCAL VOC and in CVAT's format "Segmentation mask 1.1".
MASK_FOLDERS = ("SegmentationClass", "SegmentationObject")
EXPORT_OUTLINES = "For outlines export 'CVAT for images 1.1' or COCO"
_HEAD_BYTES = 4000
_LOOKS = 5
# The beginning of a text file, by which its format is known.
_CSV = (
    (r"ImageID,Source,LabelName", "OpenImages CSV", _IMPORT),
    (r"filename,width,height,class,xmin", "TensorFlow CSV", "In Roboflow, choose COCO or Pascal VOC in its place"),
    (r"filename,file_size,file_attributes,region_count", "VGG Image Annotator CSV", "Export COCO in VIA in its place"),
    (r'"?image_?(path|name|id|file)?"?[,;]', "CSV of boxes", _CONVERT),
    (r"[^,\n]+\.\w{3,4},\d+,\d+,\d+,\d+,", "CSV of boxes", _CONVERT),
    (r"(label|class|name),", "CSV of boxes", _CONVERT),
)
_TEXTS = (
    (r"[^\d\s]\S* -?\d[\d.]* -?\d+ -?[\d.]+( -?[\d.]+){11,12}\s*$", "KITTI", _IMPORT),
    (r"(imagesource:|gsd:|(-?[\d.]+ ){8}\S+ \d)", "DOTA", _IMPORT),
    (r"\S+\.\w{3,4}( \d+,\d+,\d+,\d+,\d+)+", "YOLO v3 Keras", "In Roboflow, choose COCO in its place"),
    (r"\S+\.\w{3,4}\s*\n\d+\s*\n(\d+ ){9}", "WIDER FACE", _IMPORT),
    (r"\d+,\d+,-?[\d.]+,-?[\d.]+,-?[\d.]+,-?[\d.]+,", "MOT", _IMPORT),
)


def describe(files: FileTree) -> tuple[str, str] | None:
    """Return what an export is that no reader knows, and what to do; None if that is not known either."""
    return next(_descriptions(files), None)


def damaged_file(files: FileTree) -> DatasetError | None:
    """Return why the first JSON files cannot be read, if one cannot."""
    for path in _first(files, ".json"):
        try:
            files.json(path)
        except DatasetError as error:
            return error
    return None


def _descriptions(files: FileTree) -> Iterator[tuple[str, str]]:
    paths = files.with_suffix("")
    names = {PurePosixPath(path).name.lower() for path in paths}
    suffixes = {PurePosixPath(path).suffix.lower() for path in paths}
    if any(name in names for name in ("task.json", "project.json")):
        yield "a CVAT backup", "Choose 'Export task dataset' in CVAT instead of 'Backup task'"
    if any(not set(MASK_FOLDERS).isdisjoint(path.split("/")[:-1]) for path in paths):
        yield "pictures of masks", EXPORT_OUTLINES
    if "meta.json" in names and any(path.startswith(("ds/", "dataset/")) or "/ann/" in path for path in paths):
        yield "Supervisely", _CONVERT
    for path in _first(files, ".json", ".vott"):
        if found := _json_kind(_load(files, path), path):
            yield found
    if suffixes & {".tfrecord", ".tfrecords", ".record"} or any(".tfrecord" in name for name in names):
        yield "TFRecord", "Export COCO or Pascal VOC from the tool that wrote it, or convert it with FiftyOne"
    if suffixes & {".manifest", ".jsonl", ".ndjson"}:
        yield from (_lines_kind(_head(files, path)) for path in _first(files, ".manifest", ".jsonl", ".ndjson"))
    if ".parquet" in suffixes or ".arrow" in suffixes:
        yield "a Hugging Face dataset", "Save its images and write COCO, for example with FiftyOne"
    for path in _first(files, ".csv", ".tsv"):
        for pattern, title, remedy in _CSV:
            if re.match(pattern, _head(files, path), re.IGNORECASE):
                yield title, remedy
    yield from _of_texts(files)
    if ".mat" in suffixes:
        yield "MATLAB annotations", _CONVERT
    if archives := [path for path in paths if path.lower().endswith(ARCHIVE_SUFFIXES)]:
        yield f"archives that could not be opened ({archives[0]})", "Unpack them and give the folder"


def _of_texts(files: FileTree) -> Iterator[tuple[str, str]]:
    for path in _first(files, ".txt"):
        head = _head(files, path)
        for pattern, title, remedy in _TEXTS:
            if re.match(pattern, head, re.MULTILINE):
                yield title, remedy
        if re.match(r"\d+(\s+[-\d.eE+]+){4}", head):
            yield (
                "YOLO texts without the names of their classes",
                "Put a file classes.txt with one name a line beside them, in the order of the class numbers",
            )


def _json_kind(content: Any, path: str) -> tuple[str, str] | None:
    first = content[0] if isinstance(content, list) and content else content
    if not isinstance(first, dict):
        return None
    values = [value for value in first.values() if isinstance(value, dict)]
    keys = first.keys()
    if path.lower().endswith(".vott") or "visitedAssets" in keys or ({"asset", "regions"} <= keys):
        return "VoTT", _CONVERT
    if {"image", "annotations"} <= keys and isinstance(content, list):
        return "CreateML", "In Roboflow, choose COCO in its place, or convert it with FiftyOne"
    if "data_row" in keys or "Labeled Data" in keys:
        return "Labelbox", _CONVERT
    if "_via_settings" in keys or any({"filename", "regions"} <= value.keys() for value in values[:_LOOKS]):
        return "VGG Image Annotator JSON", "Choose 'Export Annotations (COCO format)' in VIA in its place"
    if "completions" in keys or ("data" in keys and ("annotations" in keys or "result" in keys)):
        return "Label Studio JSON", "Choose 'COCO' or 'YOLO with Images' in Label Studio's export in its place"
    if {"image_id", "bbox", "category_id"} <= keys:
        return "a list of COCO results without images", "Give the COCO file with images and categories"
    if {"images", "annotations"} <= keys or {"images", "categories"} <= keys:
        missing = next((key for key in ("images", "annotations", "categories") if key not in keys), "boxes")
        return f"COCO without {missing}", "Export COCO instances, with images, annotations and categories"
    if "objects" in keys and ({"size", "tags"} & keys):
        return "Supervisely", _CONVERT
    if {"imgHeight", "imgWidth", "objects"} <= keys:
        return "Cityscapes", _IMPORT
    if "labels" in keys and "name" in keys and isinstance(first["labels"], list | type(None)):
        return "BDD100K", _CONVERT
    for wanted, title in _JSON_KEYS:
        if wanted <= keys:
            return title, _CONVERT
    if "source-ref" in keys:
        return "a SageMaker manifest", _CONVERT
    return None


def _lines_kind(head: str) -> tuple[str, str]:
    if "source-ref" in head:
        return "a SageMaker manifest", _CONVERT
    if "data_row" in head:
        return "Labelbox", _CONVERT
    if '"imageGcsUri"' in head or "boundingBoxAnnotations" in head:
        return "a Vertex AI manifest", _CONVERT
    return "a manifest of JSON lines", _CONVERT


def _first(files: FileTree, *suffixes: str) -> list[str]:
    return files.with_suffix(*suffixes)[:_LOOKS]


def _load(files: FileTree, path: str) -> Any:
    try:
        return files.json(path)
    except DatasetError:
        return None


def _head(files: FileTree, path: str) -> str:
    """Return the beginning of a text, without the line that is cut."""
    try:
        with files.file(path).open("rb") as file:
            head = file.read(_HEAD_BYTES)
        return decode_text(head[: head.rfind(b"\n") + 1] if len(head) == _HEAD_BYTES else head)
    except (OSError, EncodingError):
        return ""
