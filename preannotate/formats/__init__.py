"""The table of annotation formats: one module each, with `recognise(folder)` and `read(folder)`."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from preannotate.formats import coco, cvat_images, cvat_video, datumaro, ultralytics, voc, yolo
from preannotate.formats.export import Export


class Format(NamedTuple):
    """One annotation format.

    Attributes:
        title: As CVAT's export dialogue calls it.
        recognise: True if the folder's content is of this format; never raises for a foreign folder.
        read: The folder's frames; raises `DatasetError`.

    """

    title: str
    recognise: Callable[[Path], bool]
    read: Callable[[Path], Export]


FORMATS = {
    "cvat-images": Format("CVAT for images 1.1", cvat_images.recognise, cvat_images.read),
    "cvat-video": Format("CVAT for video 1.1", cvat_video.recognise, cvat_video.read),
    "coco": Format("COCO 1.0", coco.recognise, coco.read),
    "voc": Format("PASCAL VOC 1.1", voc.recognise, voc.read),
    "yolo": Format("YOLO 1.1", yolo.recognise, yolo.read),
    "ultralytics": Format("Ultralytics YOLO Detection 1.0", ultralytics.recognise, ultralytics.read),
    "datumaro": Format("Datumaro 1.0", datumaro.recognise, datumaro.read),
}
