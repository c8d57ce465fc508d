"""The whole path of an image: letterbox, engine, threshold, suppression, masks, and back to image pixels.

The same class serves requests, validates training and measures mAP: what is reported is what is served.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from runtime.boxes import area, nms
from runtime.engines import Engine
from runtime.image import DecodedImage, decode
from runtime.letterbox import Letterbox
from runtime.manifest import RECTANGLE, Manifest
from runtime.mask_composition import compose
from runtime.masks import InstanceMask
from runtime.memory import limited

# Candidates of one class that go into suppression: bounds the work for a request with threshold 0. A network without
# anchors has up to ten good ones for each object, and an image may have a hundred objects.
MAX_CANDIDATES = 1000
# Boxes with lower scores are not for people to see. Who requests them measures, such as mAP or doubt, and gets each
# class by itself: an object's second label is a wrong box on a page, and a right one in a ranking.
SHOWN_FROM = 0.1


@dataclass(frozen=True)
class Detection:
    """One found object.

    Attributes:
        score: In [0, 1].
        box: (x1, y1, x2, y2), image pixels, inside the image, x1 < x2 and y1 < y2.
        mask: The object's pixels, inside of the image; None of a network or of a label that has boxes only.
    """

    label: str
    class_id: int
    score: float
    box: tuple[float, float, float, float]
    mask: InstanceMask | None = None


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
            image = decode(data, self.manifest.input_size)
            fitting = Letterbox.fit(image.size, self.manifest.input_size).resize(image.pixels)
        return replace(image, pixels=fitting)

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
        """Find objects in several images with one call of the engine.

        Args:
            images: B images, from `decode`, of any sizes.
            thresholds: One for each image, as in `detect`.

        Returns:
            For each image what `detect` gives; empty for no images.
        """
        if not images:
            return []
        letterboxes = [Letterbox.fit(image.size, self.manifest.input_size) for image in images]
        pixels = np.stack([box.pixels(image.pixels) for box, image in zip(letterboxes, images, strict=True)])
        raw = self.engine.run(pixels)
        return [
            self.select({name: output[number] for name, output in raw.items()}, letterbox, threshold)
            for number, (letterbox, threshold) in enumerate(zip(letterboxes, thresholds, strict=True))
        ]

    def select(
        self, outputs: Mapping[str, np.ndarray], letterbox: Letterbox, threshold: float | None = None
    ) -> list[Detection]:
        """Turn the outputs of the network for one image into detections.

        Args:
            outputs: As `runtime.engines.Engine.run` gives them, without their first axis: `boxes` (N, 4), `scores`
                (N, K), and those of masks if there are any.
            letterbox: The transform of this image.
            threshold: As in `detect`.
        """
        boxes, scores = outputs["boxes"], outputs["scores"]
        cut = self.manifest.postprocess
        least = np.array(cut.thresholds if threshold is None else [threshold] * len(cut.thresholds), scores.dtype)
        reaching = scores >= least
        # Of thousands of boxes a few dozen reach their threshold: the arithmetic is for those.
        candidates = np.flatnonzero(reaching.any(axis=1))
        boxes_image = letterbox.to_image(boxes[candidates])
        usable = _usable(boxes_image)
        candidates, boxes_image = candidates[usable], boxes_image[usable]
        scores, reaching = scores[candidates], reaching[candidates]
        found: list[Detection] = []
        rows_found: list[int] = []
        for class_id, label in enumerate(self.manifest.labels):
            rows = np.flatnonzero(reaching[:, class_id])
            rows = rows[np.argsort(-scores[rows, class_id], kind="stable")][:MAX_CANDIDATES]
            kept = rows[nms(boxes_image[rows], scores[rows, class_id], iou_threshold=cut.iou_threshold)]
            for row in kept:
                x1, y1, x2, y2 = map(float, boxes_image[row])
                found.append(Detection(label, class_id, float(scores[row, class_id]), (x1, y1, x2, y2)))
                rows_found.append(int(candidates[row]))
        order = sorted(range(len(found)), key=lambda place: -found[place].score)
        found, rows_found = [found[place] for place in order], [rows_found[place] for place in order]
        measuring = threshold is not None and threshold < SHOWN_FROM
        agnostic = None if measuring else cut.agnostic_iou_threshold
        best = class_agnostic_nms(found, agnostic, max_detections=cut.max_detections)
        kept_detections = [found[place] for place in best]
        return self._with_masks(kept_detections, [rows_found[place] for place in best], outputs, letterbox)

    def _with_masks(
        self,
        found: list[Detection],
        rows: Sequence[int],
        outputs: Mapping[str, np.ndarray],
        letterbox: Letterbox,
    ) -> list[Detection]:
        """Add the masks of detections, which come from `rows` of the outputs, where network and label have any."""
        if self.manifest.mask_head is None:
            return found
        masked = [place for place, one in enumerate(found) if self.manifest.label_type(one.class_id) != RECTANGLE]
        masks = compose(outputs, [rows[place] for place in masked], letterbox, self.manifest.mask_head)
        for place, mask in zip(masked, masks, strict=True):
            found[place] = replace(found[place], mask=mask)
        return found


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


def _usable(boxes_image: np.ndarray) -> np.ndarray:
    """Which boxes (N, 4) can be written: a box thinner than a hundredth of a pixel would be written as an empty one."""
    width, height = (boxes_image[:, axis + 2] - boxes_image[:, axis] for axis in (0, 1))
    return np.isfinite(boxes_image).all(axis=1) & (width >= 0.01) & (height >= 0.01) & (area(boxes_image) > 0)
