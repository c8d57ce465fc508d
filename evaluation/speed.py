"""Milliseconds that each stage of the runtime takes for an image on this machine."""

import statistics
import time
from dataclasses import asdict, dataclass

import numpy as np

from evaluation.ground_truth import GroundTruth
from evaluation.scores import MIN_SCORE
from runtime.detector import Detection, Detector


@dataclass(frozen=True)
class StageTimes:
    """Median milliseconds of an image.

    Attributes:
        decode: From the bytes of the file to pixels.
        letterbox: To the network's inputs: of the whole image and its tiles.
        inference: Of all inputs.
        suppression: From the network's output to detections.
    """

    decode: float
    letterbox: float
    inference: float
    suppression: float
    images: int
    device: str

    @property
    def total(self) -> float:
        """Milliseconds from bytes to detections."""
        return self.decode + self.letterbox + self.inference + self.suppression

    def to_json(self) -> dict[str, object]:
        """Plain JSON."""
        return asdict(self)


def measure(detector: Detector, truth: GroundTruth, *, seconds: float) -> tuple[StageTimes, list[list[Detection]]]:
    """Run the serving path on the first images, one by one, for about so long.

    Args:
        detector: Its first call, which an engine may use to prepare itself, is not counted.
        truth: At least one image.
        seconds: No further image is begun after this time; one is always measured.

    Returns:
        The times, and what was found on each measured image, down to `MIN_SCORE`.
    """
    width, height = detector.manifest.input_size
    detector.engine.run(np.zeros((1, height, width, 3), np.uint8))
    rows: list[np.ndarray] = []
    found: list[list[Detection]] = []
    begun = time.perf_counter()
    for image in truth.images:
        if rows and time.perf_counter() - begun > seconds:
            break
        data = truth.data(image)
        clock = [time.perf_counter()]
        decoded = detector.decode(data)
        clock.append(time.perf_counter())
        views, inputs = detector.inputs(decoded)
        clock.append(time.perf_counter())
        outputs = [detector.run(pixels) for pixels in inputs]
        clock.append(time.perf_counter())
        detector.select(outputs, views)
        clock.append(time.perf_counter())
        rows.append(np.diff(clock) * 1000)
        found.append(detector.select(outputs, views, MIN_SCORE))
    decode, letterboxing, inference, suppression = (
        round(statistics.median(times), 2) for times in zip(*rows, strict=True)
    )
    times = StageTimes(decode, letterboxing, inference, suppression, len(rows), detector.engine.device)
    return times, found
