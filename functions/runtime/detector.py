"""The whole path of an image: letterbox and tiles, engine, threshold, suppression, masks, and back to image pixels.

The same class serves requests, validates training and measures mAP: what is reported is what is served.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from runtime.boxes import area, nms
from runtime.engines import Engine
from runtime.image import DecodedImage
from runtime.manifest import RECTANGLE, Manifest
from runtime.mask_composition import compose
from runtime.masks import InstanceMask
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
# Of one input, as `runtime.engines.Engine.run` gives it, but without the first axis: `boxes` (N, 4), `scores` (N, K),
# and those of masks if there are any.
Output = Mapping[str, np.ndarray]


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
        return [
            self.select([{name: output[number] for name, output in raw.items()}], seen, threshold)
            for number, ((seen, _), threshold) in enumerate(zip(prepared, thresholds, strict=True))
        ]

    def inputs(self, image: DecodedImage) -> tuple[list[View], list[np.ndarray]]:
        """The views of an image, the whole of it first, and for each the network's input, uint8 (H, W, 3)."""
        seen = views(image.size, self.manifest.input_size, self.manifest.tiles)
        rendered = rendering(image.size, self.manifest.input_size, self.manifest.tiles).resize(image.pixels)
        return seen, [view.pixels(rendered) for view in seen]

    def run(self, pixels: np.ndarray) -> Output:
        """Run the network on one input, uint8 (H, W, 3)."""
        return {name: output[0] for name, output in self.engine.run(pixels[None]).items()}

    def select(
        self, outputs: Sequence[Output], views: Sequence[View], threshold: float | None = None
    ) -> list[Detection]:
        """Turn the outputs of the network into detections of one image.

        Args:
            outputs: For each view; see `Output`.
            views: Of the image, as in `inputs`.
            threshold: As in `detect`.
        """
        cut = self.manifest.postprocess
        least = np.array(cut.thresholds if threshold is None else [threshold] * len(cut.thresholds), np.float32)
        candidates = _candidates(outputs, views, least)
        boxes = candidates.boxes
        found: list[Detection] = []
        sources: list[int] = []
        for class_id, label in enumerate(self.manifest.labels):
            scores = candidates.scores[:, class_id]
            reaching = scores >= least[class_id]
            # Each view by itself: the candidates of one crowded tile leave room for those of the others.
            of_views = [np.flatnonzero(reaching & (candidates.views == number)) for number in range(len(views))]
            kept = np.concatenate(
                [_suppress(boxes, scores, rows, iou_threshold=cut.iou_threshold) for rows in of_views]
            )
            if len(views) > 1:
                kept = _suppress(boxes, scores, kept, iou_threshold=min(cut.iou_threshold, MERGING_IOU))
            for box, score in zip(boxes[kept].tolist(), scores[kept].tolist(), strict=True):
                found.append(Detection(label, class_id, score, (box[0], box[1], box[2], box[3])))
            sources += kept.tolist()
        order = sorted(range(len(found)), key=lambda place: -found[place].score)
        found, sources = [found[place] for place in order], [sources[place] for place in order]
        measuring = threshold is not None and threshold < SHOWN_FROM
        agnostic = None if measuring else cut.agnostic_iou_threshold
        best = class_agnostic_nms(found, agnostic, max_detections=cut.max_detections)
        found, sources = [found[place] for place in best], [sources[place] for place in best]
        return self._with_masks(found, candidates.views[sources], candidates.rows[sources], outputs, views)

    def _with_masks(
        self,
        found: list[Detection],
        view_numbers: np.ndarray,
        rows: np.ndarray,
        outputs: Sequence[Output],
        views: Sequence[View],
    ) -> list[Detection]:
        """Add the masks of detections, where network and label have any.

        Each is composed from the view that its box was found in: `view_numbers` and `rows` of the outputs, (M,).
        """
        if self.manifest.mask_head is None:
            return found
        has_mask = np.array([self.manifest.label_type(one.class_id) != RECTANGLE for one in found], bool)
        for number, (output, view) in enumerate(zip(outputs, views, strict=True)):
            places = np.flatnonzero((view_numbers == number) & has_mask).tolist()
            masks = compose(output, rows[places].tolist(), view, self.manifest.mask_head)
            for place, mask in zip(places, masks, strict=True):
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


@dataclass(frozen=True)
class _Candidates:
    """Boxes of all views of an image that reach a threshold and can be written.

    Attributes:
        boxes: float32 (M, 4), xyxy, image pixels.
        scores: float32 (M, K).
        views: int (M,): in which view each was found.
        rows: int (M,): of that view's output.
    """

    boxes: np.ndarray
    scores: np.ndarray
    views: np.ndarray
    rows: np.ndarray


def _candidates(outputs: Sequence[Output], views: Sequence[View], least: np.ndarray) -> _Candidates:
    """What reaches the threshold of a class, `least` (K,), in any view."""
    parts = []
    for number, (output, view) in enumerate(zip(outputs, views, strict=True)):
        scores = output["scores"]
        # Of thousands of boxes a few dozen reach their threshold: the arithmetic is for those.
        rows = np.flatnonzero((scores >= least).any(axis=1))
        boxes_image = view.to_image(output["boxes"][rows])
        usable = _usable(boxes_image)
        rows = rows[usable]
        parts.append((boxes_image[usable], scores[rows], np.full(len(rows), number), rows))
    return _Candidates(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


def _suppress(boxes: np.ndarray, scores: np.ndarray, rows: np.ndarray, *, iou_threshold: float) -> np.ndarray:
    """Which of `rows`, of boxes (N, 4) and scores (N,) of one class, are left; best first."""
    rows = rows[np.argsort(-scores[rows], kind="stable")][:MAX_CANDIDATES]
    return rows[nms(boxes[rows], scores[rows], iou_threshold=iou_threshold)]


def _usable(boxes_image: np.ndarray) -> np.ndarray:
    """Which boxes (N, 4) can be written: a box thinner than a hundredth of a pixel would be written as an empty one."""
    width, height = (boxes_image[:, axis + 2] - boxes_image[:, axis] for axis in (0, 1))
    return np.isfinite(boxes_image).all(axis=1) & (width >= 0.01) & (height >= 0.01) & (area(boxes_image) > 0)
