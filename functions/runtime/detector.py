"""The whole path of an image: letterbox and tiles, engine, threshold, suppression, and back to image pixels.

The same class serves requests, validates training and measures mAP: what is reported is what is served.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from runtime.boxes import area, nms
from runtime.engines import Engine
from runtime.image import DecodedImage
from runtime.manifest import Manifest
from runtime.memory import limited
from runtime.tiles import View, decode_for_views, rendering, views

# Candidates of one class that go into suppression: bounds the work for a request with threshold 0. A network without
# anchors has up to ten good ones for each object, and an image may have a hundred objects.
MAX_CANDIDATES = 1000
# Boxes with lower scores are not for people to see. Who requests them measures, such as mAP or doubt, and gets each
# class by itself: an object's second label is a wrong box on a page, and a right one in a ranking.
SHOWN_FROM = 0.1
# Boxes of one object in two views, which show it at different scales, differ more than those in one.
MERGING_IOU = 0.5
# Boxes (N, 4) and scores (N, K) of one input.
Output = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Detection:
    """One found object.

    Attributes:
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
        """Decode an image file to the size that the network needs, with no more memory than a worker has for it.

        For a process that does one thing at a time; see `runtime.memory.limited`.
        """
        with limited():
            return decode_for_views(data, self.manifest.input_size, self.manifest.tiles)

    def detect(self, image: DecodedImage, threshold: float | None = None) -> list[Detection]:
        """Find objects.

        Args:
            image: From `decode`.
            threshold: Score from which a detection counts, for every class; None uses the thresholds
                chosen in training, one for each class. Below `SHOWN_FROM` classes never suppress each other.

        Returns:
            Best score first, at most `max_detections`.
        """
        return self.detect_batch([image], [threshold])[0]

    def detect_batch(self, images: Sequence[DecodedImage], thresholds: Sequence[float | None]) -> list[list[Detection]]:
        """Find objects in several images, with one call of the engine if the model has no tiles.

        Args:
            images: B images, from `decode`, of any sizes.
            thresholds: One for each image, as in `detect`.

        Returns:
            For each image what `detect` gives; empty for no images.
        """
        if not images:
            return []
        if self.manifest.tiles is not None:
            return [
                self.select([self.run(pixels) for pixels in inputs], seen, threshold)
                for (seen, inputs), threshold in zip(map(self.inputs, images), thresholds, strict=True)
            ]
        prepared = [self.inputs(image) for image in images]
        raw = self.engine.run(np.stack([inputs[0] for _, inputs in prepared]))
        outputs = zip(raw["boxes"], raw["scores"], strict=True)
        return [
            self.select([output], seen, threshold)
            for output, (seen, _), threshold in zip(outputs, prepared, thresholds, strict=True)
        ]

    def inputs(self, image: DecodedImage) -> tuple[list[View], list[np.ndarray]]:
        """The views of an image, the whole of it first, and for each the network's input, uint8 (H, W, 3)."""
        seen = views(image.size, self.manifest.input_size, self.manifest.tiles)
        rendered = rendering(image.size, self.manifest.input_size, self.manifest.tiles).resize(image.pixels)
        return seen, [view.pixels(rendered) for view in seen]

    def run(self, pixels: np.ndarray) -> Output:
        """Run the network on one input, uint8 (H, W, 3)."""
        raw = self.engine.run(pixels[None])
        return raw["boxes"][0], raw["scores"][0]

    def select(
        self, outputs: Sequence[Output], views: Sequence[View], threshold: float | None = None
    ) -> list[Detection]:
        """Turn the outputs of the network into detections of one image.

        Args:
            outputs: For each view boxes, float32 (N, 4), xyxy, input pixels, and scores, float32 (N, K).
            views: Of the image, as in `inputs`.
            threshold: As in `detect`.
        """
        cut = self.manifest.postprocess
        least = np.array(cut.thresholds if threshold is None else [threshold] * len(cut.thresholds), np.float32)
        parts = [_candidates(*output, view, least) for output, view in zip(outputs, views, strict=True)]
        found = []
        for class_id, label in enumerate(self.manifest.labels):
            # Each view by itself: the candidates of one crowded tile leave room for those of the others.
            of_views = [
                _suppress(boxes, scores[:, class_id], least[class_id], iou_threshold=cut.iou_threshold)
                for boxes, scores in parts
            ]
            boxes_image, scores = (np.concatenate(arrays) for arrays in zip(*of_views, strict=True))
            if len(parts) > 1:
                merging = min(cut.iou_threshold, MERGING_IOU)
                boxes_image, scores = _suppress(boxes_image, scores, least[class_id], iou_threshold=merging)
            for box, score in zip(boxes_image.tolist(), scores.tolist(), strict=True):
                found.append(Detection(label, class_id, score, (box[0], box[1], box[2], box[3])))
        found.sort(key=lambda detection: -detection.score)
        measuring = threshold is not None and threshold < SHOWN_FROM
        agnostic = None if measuring else cut.agnostic_iou_threshold
        best = class_agnostic_nms(found, agnostic, max_detections=cut.max_detections)
        return [found[place] for place in best]


def class_agnostic_nms(
    found: Sequence[Detection], iou_threshold: float | None, *, max_detections: int | None = None
) -> list[int]:
    """Find the detections that lie on no better one of any class: one object, one box.

    Args:
        found: Detections of one image, best score first.
        iou_threshold: `Postprocess.agnostic_iou_threshold`; None drops none.
        max_detections: At most so many are kept, the best ones; None keeps all.

    Returns:
        Rows kept, best score first.
    """
    if iou_threshold is None or len(found) < 2:
        return list(range(len(found)))[:max_detections]
    boxes = np.array([detection.box for detection in found], np.float32)
    scores = np.array([detection.score for detection in found])
    return nms(boxes, scores, iou_threshold=iou_threshold, max_boxes=max_detections).tolist()


def _candidates(boxes: np.ndarray, scores: np.ndarray, view: View, least: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Boxes (M, 4), image pixels, and scores (M, K), of what reaches a threshold of `least` (K,) and can be written."""
    # Of thousands of boxes a few dozen reach their threshold: the arithmetic is for those.
    rows = np.flatnonzero((scores >= least).any(axis=1))
    boxes_image = view.to_image(boxes[rows])
    usable = _usable(boxes_image)
    return boxes_image[usable], scores[rows[usable]]


def _suppress(
    boxes: np.ndarray, scores: np.ndarray, least: float, *, iou_threshold: float
) -> tuple[np.ndarray, np.ndarray]:
    """Boxes (M, 4) and scores (M,) of one class that are left, of (N, 4) and (N,) those from `least` on; best first."""
    rows = np.flatnonzero(scores >= least)
    rows = rows[np.argsort(-scores[rows], kind="stable")][:MAX_CANDIDATES]
    kept = rows[nms(boxes[rows], scores[rows], iou_threshold=iou_threshold)]
    return boxes[kept], scores[kept]


def _usable(boxes_image: np.ndarray) -> np.ndarray:
    """Which boxes (N, 4) can be written: a box thinner than a hundredth of a pixel would be written as an empty one."""
    width, height = (boxes_image[:, axis + 2] - boxes_image[:, axis] for axis in (0, 1))
    return np.isfinite(boxes_image).all(axis=1) & (width >= 0.01) & (height >= 0.01) & (area(boxes_image) > 0)
