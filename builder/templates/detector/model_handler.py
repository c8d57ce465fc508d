"""The model: image files in, CVAT's shapes out.

The environment variable MODEL_ENGINE, set in `function.yaml`, chooses the engine. `model.json` describes the network.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from runtime import engines
from runtime.cvat import shapes
from runtime.detector import Detector
from runtime.function_file import FunctionLabel, rename_classes
from runtime.image import DecodedImage
from runtime.manifest import Manifest

DIRECTORY = Path(__file__).parent
DEFAULT_ENGINE = "openvino"


class ModelHandler:
    """The network of this directory, loaded and warm.

    Attributes:
        detector: Letterbox, engine and suppression.
        description: Engine, device and fingerprint, for the log.
        warning: A sentence if it does not run as expected, for example on a CPU instead of a GPU; else "".
    """

    def __init__(self, labels: Mapping[int, FunctionLabel]) -> None:
        """Load the model and run it once, so that the first request is not slow.

        Args:
            labels: Name and type of each class id in replies, from `function.yaml`.

        Raises:
            FunctionError: Labels, `model.json` and the engine do not fit together.
        """
        manifest = rename_classes(Manifest.read(DIRECTORY), labels)
        engine = engines.load(os.environ.get("MODEL_ENGINE", DEFAULT_ENGINE), DIRECTORY)
        self.detector = Detector(engine, manifest)
        self.warning = engine.warning
        self.description = {
            "engine": engine.name,
            "device": engine.device,
            "fingerprint": manifest.provenance.get("model_fingerprint", "unknown"),
        }
        blank = Image.new("RGB", manifest.input_size)
        self.detector.detect(DecodedImage(blank, blank.size))

    def decode(self, image: bytes) -> DecodedImage:
        """Decode an image file, no larger than the network needs it; raises ImageError."""
        return self.detector.decode(image)

    def infer(self, image: bytes, threshold: float | None) -> list[dict[str, Any]]:
        """Detect objects in an image file.

        Args:
            image: Bytes of the file.
            threshold: Minimum score, in [0, 1]; None uses the thresholds in `model.json`.

        Returns:
            Shapes as CVAT stores them, best first, for `runtime.cvat.reply`.

        Raises:
            ImageError: The image cannot be decoded.
        """
        return self.infer_batch([(self.decode(image), threshold)])[0]

    def infer_batch(self, requests: Sequence[tuple[DecodedImage, float | None]]) -> list[list[dict[str, Any]]]:
        """Detect objects in several images with one call of the engine; for each as in `infer`."""
        images, thresholds = [image for image, _ in requests], [threshold for _, threshold in requests]
        found = self.detector.detect_batch(images, thresholds)
        return [shapes(detections, self.detector.manifest.label_type) for detections in found]
