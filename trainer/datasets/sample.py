"""One image with its boxes: what every annotation format is turned into."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

import numpy as np

from evaluation.ground_truth import AnnotatedImage
from runtime.masks import InstanceMask


@dataclass(frozen=True, eq=False)
class Sample:
    """An image and its ground truth, ready for training.

    Attributes:
        name: Name in the export: the path inside the task, with extension; not unique across exports.
        content: sha256 of the file's bytes, hexadecimal: the identity of the image.
        image_size: True (width, height) in pixels after EXIF rotation: the frame of `boxes`.
        boxes: float32 (G, 4), xyxy, image pixels, clipped to the image, sides of at least one pixel.
        class_ids: int64 (G,), index into the labels.
        group: What must not be divided between training and validation: a video, or the image itself.
        frame: Number inside the group if the group is a video.
        dropped: Reason to number of this image's shapes that were left out.
        converted: Kind of shape to number of this image's shapes that became boxes.
        ignored: float32 (I, 4), as `boxes`: places of shapes that were left out, such as unreviewed automatic boxes.
            Training counts these regions neither as objects nor as background.
        masks: One for each box, in image pixels; None for a box that was drawn as a box, which teaches the box and not
            the mask. Empty if the dataset was read without masks.
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
    ignored: np.ndarray = field(default_factory=lambda: np.zeros((0, 4), np.float32))
    masks: tuple[InstanceMask | None, ...] = ()

    def to_ground_truth(self, file: str) -> AnnotatedImage:
        """Return it with its image in `file`, a path relative to the folder of the ground truth."""
        return AnnotatedImage(self.name, file, self.image_size, self.boxes, self.class_ids, self.masks)

    def __eq__(self, other: object) -> bool:
        """Equal in everything but where the file lies; arrays by value."""
        if not isinstance(other, Sample):
            return NotImplemented
        values = ((getattr(self, f.name), getattr(other, f.name)) for f in fields(self) if f.name != "image")
        return all(
            np.array_equal(mine, theirs) if isinstance(mine, np.ndarray) else mine == theirs for mine, theirs in values
        )

    def __hash__(self) -> int:
        return hash((self.content, self.name))
