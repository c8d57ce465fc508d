"""The whole path of an image: letterbox, engine, threshold, suppression, and back to image pixels.

The same class serves requests, validates training and measures mAP: what is reported is what is served.
"""

from dataclasses import dataclass

import numpy as np

from runtime.boxes import area, nms
from runtime.engines import Engine
from runtime.image import DecodedImage, decode
from runtime.letterbox import Letterbox
from runtime.manifest import Manifest

# Candidates of one class that go into suppression: bounds the work when someone asks for threshold 0.
MAX_CANDIDATES = 400


@dataclass(frozen=True)
class Detection:
    """One found object.

    Attributes:
        label: Name of its class.
        class_id: Index of its class.
        score: In [0, 1].
        box: (x1, y1, x2, y2), image pixels, inside the image, x1 < x2 and y1 < y2.

    """

    label: str
    class_id: int
    score: float
    box: tuple[float, float, float, float]


class Detector:
    """An engine with the manifest that gives its numbers a meaning."""

    def __init__(self, engine: Engine, manifest: Manifest) -> None:
        self.engine = engine
        self.manifest = manifest

    def decode(self, data: bytes) -> DecodedImage:
        """Decode an image file no larger than the network needs it."""
        return decode(data, self.manifest.input_size)

    def detect(self, image: DecodedImage, threshold: float | None = None) -> list[Detection]:
        """Find objects.

        Args:
            image: From `decode`.
            threshold: Score from which a detection counts, for every class; None uses the thresholds
                chosen in training, one for each class.

        Returns:
            Best score first, at most `max_detections`.

        """
        letterbox = Letterbox.fit(image.size, self.manifest.input_size)
        raw = self.engine.run(letterbox.pixels(image.pixels)[None])
        return self.select(raw["boxes"][0], raw["scores"][0], letterbox, threshold)

    def select(
        self, boxes: np.ndarray, scores: np.ndarray, letterbox: Letterbox, threshold: float | None = None
    ) -> list[Detection]:
        """Raw answers of the network to detections.

        Args:
            boxes: float32 (N, 4), xyxy, input pixels.
            scores: float32 (N, K).
            letterbox: The transform of this image.
            threshold: As in `detect`.

        """
        cut = self.manifest.postprocess
        boxes_image = letterbox.to_image(boxes)
        # A box thinner than a hundredth of a pixel would be written as an empty one.
        usable = np.isfinite(boxes_image).all(axis=1) & (np.diff(boxes_image[:, [0, 2]])[:, 0] >= 0.01)
        usable &= (np.diff(boxes_image[:, [1, 3]])[:, 0] >= 0.01) & (area(boxes_image) > 0)
        found = []
        for class_id, label in enumerate(self.manifest.labels):
            least = cut.thresholds[class_id] if threshold is None else threshold
            rows = np.flatnonzero(usable & (scores[:, class_id] >= least))
            rows = rows[np.argsort(-scores[rows, class_id], kind="stable")][:MAX_CANDIDATES]
            kept = rows[nms(boxes_image[rows], scores[rows, class_id], iou_threshold=cut.iou_threshold)]
            found += [
                Detection(label, class_id, float(scores[row, class_id]), tuple(map(float, boxes_image[row])))
                for row in kept
            ]
        found.sort(key=lambda detection: -detection.score)
        return found[: cut.max_detections]
