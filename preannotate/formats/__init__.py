"""The table of annotation formats: each is a module with `recognise`, `read` and, if it can be written, `write`.

Light on purpose: no format needs more than the standard library and parsers of XML and YAML.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from preannotate.formats import coco, cvat_images, cvat_video, datumaro, ultralytics, voc, yolo
from preannotate.formats.records import Export


@dataclass(frozen=True)
class Format:
    """An annotation format.

    Attributes:
        title: Name of the format in CVAT's export dialogue.
        recognise: Whether a folder's content is of this format; never raises for a foreign folder.
        read: Return the content of a folder; raises `DatasetError`.
        write: Return the annotation files of an export, path in the folder to content; None if there is no writer.
            Raises `DatasetError` for names that the format cannot hold.
    """

    title: str
    recognise: Callable[[Path], bool]
    read: Callable[[Path], Export]
    write: Callable[[Export], Mapping[str, bytes]] | None = None


FORMATS = {
    "cvat-images": Format("CVAT for images 1.1", cvat_images.recognise, cvat_images.read, cvat_images.write),
    "cvat-video": Format("CVAT for video 1.1", cvat_video.recognise, cvat_video.read),
    "coco": Format("COCO 1.0", coco.recognise, coco.read, coco.write),
    "voc": Format("PASCAL VOC 1.1", voc.recognise, voc.read),
    "yolo": Format("YOLO 1.1", yolo.recognise, yolo.read),
    "ultralytics": Format("Ultralytics YOLO Detection 1.0", ultralytics.recognise, ultralytics.read),
    "datumaro": Format("Datumaro 1.0", datumaro.recognise, datumaro.read),
}
