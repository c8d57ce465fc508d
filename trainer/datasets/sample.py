"""One image with its boxes, and a set of them: what every format is turned into."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from trainer.datasets.health import Health


def no_boxes() -> np.ndarray:
    """float32 (0, 4)."""
    return np.zeros((0, 4), np.float32)


@dataclass(frozen=True, eq=False)
class Sample:
    """An image and its ground truth, ready for training.

    Attributes:
        name: Name in the export: the path inside the task, with extension; not unique across exports.
        image: The file on disk.
        content: sha256 of the file's bytes, hexadecimal: the identity of the image.
        image_size: True (width, height) in pixels after EXIF rotation: the frame of `boxes`.
        boxes: float32 (G, 4), xyxy, image pixels, clipped to the image, sides of at least one pixel.
        class_ids: int64 (G,), index into the labels.
        group: What must not be divided between training and validation: a video, or the image itself.
        frame: Number inside the group if the group is a video.
        dropped: Reason to number of this image's shapes that were left out.
        converted: Kind of shape to number of this image's shapes that became boxes.
        ignored: float32 (I, 4), as `boxes`: where a model drew something that nobody looked at. Training takes these
            places neither for objects nor for background.

    """

    name: str
    image: Path
    content: str
    image_size: tuple[int, int]
    boxes: np.ndarray
    class_ids: np.ndarray
    group: str
    frame: int | None = None
    dropped: Mapping[str, int] = field(default_factory=dict)
    converted: Mapping[str, int] = field(default_factory=dict)
    ignored: np.ndarray = field(default_factory=no_boxes)

    def __eq__(self, other: object) -> bool:
        """Equal in everything but where the file lies; arrays by value."""
        if not isinstance(other, Sample):
            return NotImplemented
        return (
            self._scalars() == other._scalars()
            and np.array_equal(self.boxes, other.boxes)
            and np.array_equal(self.class_ids, other.class_ids)
            and np.array_equal(self.ignored, other.ignored)
        )

    def __hash__(self) -> int:
        return hash((self.content, self.name))

    def _scalars(self) -> tuple:
        return (
            self.name,
            self.content,
            tuple(self.image_size),
            self.group,
            self.frame,
            dict(self.dropped),
            dict(self.converted),
        )


@dataclass(frozen=True)
class Dataset:
    """Samples with the labels that their class ids refer to.

    Attributes:
        labels: Names of the classes; the index is the class id.
        samples: In the order of the exports and of the frames inside them.
        health: What was found, left out and converted.

    """

    labels: tuple[str, ...]
    samples: tuple[Sample, ...]
    health: Health
