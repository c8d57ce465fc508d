"""Pictures of validation images with ground truth and detections, to look at."""

from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from evaluation.ground_truth import GroundTruth
from evaluation.overlay import draw_overlay
from runtime.detector import Detection
from runtime.image import decode

# Enough to judge by eye; a thousand pictures help nobody.
LIMIT = 40


def write(
    truth: GroundTruth, detections: Sequence[Sequence[Detection]], thresholds: Sequence[float], folder: Path
) -> None:
    """Draw the first `LIMIT` validation images, with the detections from the threshold of their class on."""
    folder.mkdir(exist_ok=True)
    for annotated, found in list(zip(truth.images, detections, strict=True))[:LIMIT]:
        image: Image.Image = decode(truth.data(annotated)).pixels
        shown = [detection for detection in found if detection.score >= thresholds[detection.class_id]]
        labels = [truth.labels[class_id] for class_id in annotated.class_ids]
        picture = draw_overlay(image, shown, (annotated.boxes, labels))
        picture.save(folder / f"{Path(annotated.name).stem}.jpg", quality=90)
