"""Can the answers of a network be boxes? A layout that is taken for another one gives numbers, but no boxes."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from evaluation import scores as metrics
from evaluation.ground_truth import GroundTruth
from evaluation.parity import MIN_COMPARED_SCORE
from runtime.boxes import area
from runtime.detector import Detection

# Of the input's longer side: what a network guesses of an object that is cut off reaches beyond the input, but not far.
_FAR = 20.0
# Coordinates of boxes as fractions of the image end at 1, but for what reaches beyond its edge.
_LARGEST_FRACTION = 1.5
_SMALLEST_SIDE = 3.0
_WHOLE_IMAGE = 0.97
# Of the boxes of a network that is read wrongly, a few may have usable sides by chance.
_NEARLY_ALL = 0.95
# No photo has an object in half the cells of a network. A list with suppression may be full of objects, and ends at 300
# or less by default.
_CROWD = 300
_EQUAL_SCORES = 100
# Kept of each image, the best first.
_MOST_ROWS = 1000
# Annotated images on which a network is this accurate say more than any of these signs.
ACCURATE_MAP50 = 0.5
# Below, a network is as good as blind on annotated images.
BLIND_MAP50 = 0.05


class Answers:
    """The rows of a network that are compared: those with a score above `MIN_COMPARED_SCORE`, in input pixels."""

    def __init__(self, input_size: tuple[int, int], threshold: float) -> None:
        self._input_size = input_size
        self._threshold = threshold
        self._boxes: list[np.ndarray] = []
        self._scores: list[np.ndarray] = []
        self._crowded = ""

    def add(self, boxes: np.ndarray, scores: np.ndarray) -> None:
        """Add the output for one image: boxes (1, N, 4), xyxy, and scores (1, N, K)."""
        best = scores[0].max(1, initial=0)
        # Rows of nothing but zeros fill up a list; they are no boxes and no sign of anything.
        compared = np.flatnonzero((best > MIN_COMPARED_SCORE) & boxes[0].any(1))
        compared = compared[np.argsort(-best[compared], kind="stable")[:_MOST_ROWS]]
        self._boxes.append(boxes[0][compared].astype(np.float64))
        self._scores.append(best[compared])
        reaching = int((best >= self._threshold).sum())
        if reaching > _CROWD and reaching >= len(best) / 2:
            self._crowded = f"{reaching} of {len(best)} rows with a score from {self._threshold:g} on"

    def never_boxes(self) -> str:
        """Say why these numbers cannot be boxes, whatever the images show; "" if they can."""
        boxes = self._all_boxes()
        if not len(boxes):
            return ""
        if not np.isfinite(boxes).all():
            return "coordinates that are not finite (pixels taken for logarithms?)"
        largest = np.abs(boxes).max()
        if largest <= _LARGEST_FRACTION:
            return f"coordinates of at most {largest:.3g} (fractions of the image, not pixels?)"
        width, height = self._input_size
        if largest > _FAR * max(width, height):
            return f"coordinates of up to {largest:.3g} in an input of {width}x{height} (pixels taken for fractions?)"
        sides = boxes[:, 2:] - boxes[:, :2]
        if (sides < 0).any(1).mean() > 1 / 2:
            return "boxes whose corners are swapped (centre and sides taken for corners?)"
        return ""

    def hardly_boxes(self, truth: GroundTruth, detections: Sequence[Sequence[Detection]]) -> str:
        """Say why these can hardly be boxes of objects; "" if they can, or if the network is accurate on the images."""
        reason = self._hardly_boxes(truth, detections)
        return "" if reason and map50(truth, detections) >= ACCURATE_MAP50 else reason

    def _hardly_boxes(self, truth: GroundTruth, detections: Sequence[Sequence[Detection]]) -> str:
        if self._crowded:
            return f"{self._crowded} (a column for the background?)"
        boxes = self._all_boxes()
        if not len(boxes):
            return ""
        sides = (boxes[:, 2:] - boxes[:, :2]).max(1)
        if (sides < _SMALLEST_SIDE).mean() >= _NEARLY_ALL:
            return f"no box larger than {_SMALLEST_SIDE:g} pixels (relative to cells, or fractions of the image?)"
        whole = [
            area(np.array(item.box)) >= _WHOLE_IMAGE * image.size[0] * image.size[1]
            for image, found in zip(truth.images, detections, strict=True)
            for item in found
            if item.score > MIN_COMPARED_SCORE
        ]
        if whole and all(whole):
            return "only boxes as large as the whole image (decoded twice?)"
        most, best = max(map(len, self._scores)), np.concatenate(self._scores)
        if most >= _EQUAL_SCORES and np.ptp(best) < 1e-6:
            return f"{most} rows with the same score {best[0]:.3g} (another column?)"
        return ""

    def _all_boxes(self) -> np.ndarray:
        return np.concatenate(self._boxes) if self._boxes else np.zeros((0, 4))


def is_annotated(truth: GroundTruth) -> bool:
    """Whether any of the images has a box."""
    return any(len(image.boxes) for image in truth.images)


def map50(truth: GroundTruth, detections: Sequence[Sequence[Detection]]) -> float:
    """Return mAP50; 0 if no image is annotated."""
    return metrics.score(truth.labels, truth.images, detections).map50 if is_annotated(truth) else 0.0


def map50_regardless_of_class(truth: GroundTruth, detections: Sequence[Sequence[Detection]]) -> float:
    """Return mAP50 as if there were one class: high where boxes are right and labels are in a wrong order."""
    images = tuple(replace(image, class_ids=np.zeros_like(image.class_ids)) for image in truth.images)
    found = [[replace(item, class_id=0) for item in items] for items in detections]
    return map50(GroundTruth(truth.folder, ("object",), images), found)
