"""The table of annotation formats: one module each, with `recognise(folder)` and `read(folder)`."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from trainer.datasets.export import Export
from trainer.datasets.formats import voc


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
    "voc": Format("PASCAL VOC 1.1", voc.recognise, voc.read),
}
