"""Pictures of validation images with ground truth and detections, to look at."""

from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from runtime.detector import Detection
from runtime.image import decode
from runtime.manifest import Manifest
from trainer.datasets import Sample

# Enough to judge by eye; a thousand pictures help nobody.
LIMIT = 40


def write(
    samples: Sequence[Sample], detections: Sequence[Sequence[Detection]], manifest: Manifest, folder: Path
) -> None:
    """Draw the first `LIMIT` validation images, detections above the chosen thresholds only."""
    from evaluation.overlay import draw_overlay

    folder.mkdir(exist_ok=True)
    thresholds = manifest.postprocess.thresholds
    for sample, found in list(zip(samples, detections, strict=True))[:LIMIT]:
        image: Image.Image = decode(sample.image.read_bytes()).pixels
        shown = [detection for detection in found if detection.score >= thresholds[detection.class_id]]
        labels = [manifest.labels[class_id] for class_id in sample.class_ids]
        picture = draw_overlay(image, shown, (sample.boxes, labels))
        picture.save(folder / f"{Path(sample.name).stem}.jpg", quality=90)
