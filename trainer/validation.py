"""How good the averaged network is now: COCO mAP on the frozen validation images, through the serving path."""

from collections.abc import Sequence

from evaluation.scores import LEAST_SCORE, Scores, score
from runtime.detector import Detection, Detector
from runtime.image import DecodedImage, decode
from runtime.manifest import Manifest, Postprocess
from trainer.datasets import Sample
from trainer.keras_engine import KerasEngine
from trainer.models.network import Network
from trainer.truth import annotated

# Before thresholds are chosen, a detection counts from here on.
PROVISIONAL_THRESHOLD = 0.3


class Validator:
    """Validation images, decoded once, with the network that is scored on them."""

    def __init__(self, samples: Sequence[Sample], labels: Sequence[str], network: Network, family: str) -> None:
        cut = Postprocess(PROVISIONAL_THRESHOLD, (PROVISIONAL_THRESHOLD,) * len(labels))
        manifest = Manifest(family, tuple(labels), network.input_size, cut)
        self._detector = Detector(KerasEngine(network), manifest)
        self.labels = tuple(labels)
        self.truth = [annotated(sample, sample.image.name) for sample in samples]
        self._samples = samples
        self._images: list[DecodedImage] | None = None

    def detections(self) -> list[list[Detection]]:
        """What the network finds on each image, down to `LEAST_SCORE`."""
        if self._images is None:
            size = self._detector.manifest.input_size
            self._images = [decode(sample.image.read_bytes(), size) for sample in self._samples]
        return [self._detector.detect(image, threshold=LEAST_SCORE) for image in self._images]

    def scores(self) -> Scores:
        """COCO metrics now."""
        return score(self.labels, self.truth, self.detections())
