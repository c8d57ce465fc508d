"""Validation: COCO mAP of the averaged network on the frozen validation images, through the serving path."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import tensorflow as tf

from evaluation.ground_truth import with_answered_masks
from evaluation.scores import MIN_SCORE, Scores, of_answers, score, score_masks
from runtime.detector import Detection, Detector
from runtime.image import DecodedImage
from runtime.manifest import Manifest, Postprocess, Tiles
from runtime.tiles import decode_for_views
from trainer.datasets import Sample
from trainer.models.network import Network

# Minimum score of a detection before thresholds are chosen.
PROVISIONAL_THRESHOLD = 0.3


@dataclass(frozen=True)
class ValidationScores:
    """Scores of boxes and, of a network that learns masks, those of masks if any were annotated."""

    boxes: Scores
    masks: Scores | None = None

    @property
    def decisive(self) -> Scores:
        """Which weights are kept by: masks, which cost people most, and boxes of labels that have no masks."""
        return of_answers(self.boxes, self.masks)


class KerasEngine:
    """A Keras network behind the engine contract; see `runtime.engines.Engine`."""

    name = "keras"
    device = "as TensorFlow chooses"
    warning = ""

    def __init__(self, network: Network) -> None:
        self._function = tf.function(network.predict, jit_compile=False)

    def run(self, pixels: np.ndarray) -> dict[str, np.ndarray]:
        """See `runtime.engines.Engine.run`."""
        return {name: output.numpy() for name, output in self._function(tf.constant(pixels)).items()}


class Validator:
    """Validation images, decoded at the first use and kept, and the network that is scored on them."""

    def __init__(
        self,
        samples: Sequence[Sample],
        labels: Sequence[str],
        network: Network,
        family: str,
        label_types: Sequence[str] = (),
    ) -> None:
        """Prepare it; `label_types` as in `Manifest`: what will not be answered with masks has none here either."""
        per_class = (PROVISIONAL_THRESHOLD,) * len(labels)
        postprocess = Postprocess(PROVISIONAL_THRESHOLD, per_class, iou_threshold=network.iou_threshold)
        manifest = Manifest(
            family,
            tuple(labels),
            network.input_size,
            postprocess,
            mask_head=network.mask_head,
            label_types=tuple(label_types),
        )
        self._detector = Detector(KerasEngine(network), manifest)
        self.labels = tuple(labels)
        truth = [sample.to_ground_truth(sample.image.name) for sample in samples]
        self.truth = with_answered_masks(truth, manifest.label_type)
        self._samples = samples
        self._images: list[DecodedImage] | None = None

    def detections(self) -> list[list[Detection]]:
        """Return the detections on each image, down to `MIN_SCORE`."""
        if self._images is None:
            self._images = [self._decode(sample, None) for sample in self._samples]
        return [self.detect(image, MIN_SCORE) for image in self._images]

    def timed_detections(self, tiles: Tiles | None) -> tuple[list[list[Detection]], float]:
        """Return the detections with tiles or without, and the milliseconds that an image takes from its file on.

        The images are decoded one by one: those of tiles would take too much memory together.
        """
        detector = Detector(self._detector.engine, replace(self._detector.manifest, tiles=tiles))

        def detect(sample: Sample) -> list[Detection]:
            return detector.detect(self._decode(sample, tiles), threshold=MIN_SCORE)

        detect(self._samples[0])  # the first call prepares the network, which is not measured
        begun = time.perf_counter()
        found = [detect(sample) for sample in self._samples]
        return found, 1000 * (time.perf_counter() - begun) / len(found)

    def detect(self, image: DecodedImage, threshold: float) -> list[Detection]:
        """Return the detections of the network as it is now on any image, down to a score."""
        return self._detector.detect(image, threshold=threshold)

    def scores(self) -> ValidationScores:
        """Return the COCO metrics of the network as it is now."""
        return self.scores_of(self.detections())

    def scores_of(self, detections: Sequence[Sequence[Detection]]) -> ValidationScores:
        """Return the COCO metrics of detections on the images."""
        has_masks = self._detector.manifest.mask_head is not None
        masks = score_masks(self.labels, self.truth, detections) if has_masks else None
        return ValidationScores(score(self.labels, self.truth, detections), masks)

    def _decode(self, sample: Sample, tiles: Tiles | None) -> DecodedImage:
        return decode_for_views(sample.image.read_bytes(), self._detector.manifest.input_size, tiles)
