"""The same model for cvat-sdk, without nuclio: it downloads frames, detects objects here and uploads the rectangles.

    cvat-cli task auto-annotate TASK --function-file functions/NAME/nuclio/auto_annotation.py

Needs cvat-cli or cvat-sdk, and what the model needs (OpenVINO, NumPy, Pillow, PyYAML).
"""

import sys
from pathlib import Path

import cvat_sdk.auto_annotation as cvataa
import PIL.Image

DIRECTORY = Path(__file__).resolve().parent
sys.path.insert(0, str(DIRECTORY))  # cvat-cli loads this file from anywhere

from model_handler import ModelHandler  # noqa: E402

from runtime.cvat import rounded_box  # noqa: E402
from runtime.function_file import LABEL_TYPE, read_labels  # noqa: E402
from runtime.image import prepare  # noqa: E402
from runtime.tiles import decode_size  # noqa: E402


class DetectionFunction:
    """A detection function as cvat-sdk expects it.

    Attributes:
        spec: Names and ids of the labels; cvat-sdk matches them with the task's by name.
    """

    def __init__(self) -> None:
        """Load the model.

        Raises:
            FunctionError: Labels, `model.json` and the engine do not fit together.
        """
        labels = read_labels(DIRECTORY / "function.yaml")
        self._model = ModelHandler(labels)
        self.spec = cvataa.DetectionFunctionSpec(
            labels=[cvataa.label_spec(name, class_id, type=LABEL_TYPE) for class_id, name in labels.items()]
        )

    def detect(self, context: cvataa.DetectionFunctionContext, image: PIL.Image.Image) -> list:
        """Detect objects in an image as cvat-sdk opens it.

        Args:
            context: Its `conf_threshold` replaces the thresholds in `model.json`, unless it is None.
            image: Not yet decoded.

        Returns:
            Rectangles in pixels of the image, best first.

        Raises:
            ImageError: The image cannot be decoded.
        """
        detector = self._model.detector
        size = decode_size(detector.manifest.input_size, detector.manifest.tiles)
        found = detector.detect(prepare(image, size), context.conf_threshold)
        return [cvataa.rectangle(detection.class_id, rounded_box(detection.box)) for detection in found]


def create() -> DetectionFunction:
    """Called by cvat-cli."""
    return DetectionFunction()
