"""The same model for cvat-sdk, without nuclio: it downloads frames, detects objects here and uploads their shapes.

    cvat-cli task auto-annotate TASK --function-file functions/NAME/nuclio/auto_annotation.py

Needs cvat-cli or cvat-sdk, and what the model needs (OpenVINO, NumPy, contourpy, Pillow, PyYAML).
"""

import sys
from pathlib import Path
from typing import Any

import cvat_sdk.auto_annotation as cvataa
import PIL.Image

DIRECTORY = Path(__file__).resolve().parent
sys.path.insert(0, str(DIRECTORY))  # cvat-cli loads this file from anywhere

from model_handler import ModelHandler  # noqa: E402

from runtime.cvat import mask_points, rounded_box  # noqa: E402
from runtime.detector import Detection  # noqa: E402
from runtime.function_file import read_labels  # noqa: E402
from runtime.image import prepare  # noqa: E402
from runtime.manifest import MASK, RECTANGLE  # noqa: E402
from runtime.polygons import polygon  # noqa: E402
from runtime.tiles import decode_size  # noqa: E402


class DetectionFunction:
    """A detection function as cvat-sdk expects it.

    Attributes:
        spec: Names, types and ids of the labels; cvat-sdk matches them with the task's by name, and refuses a label of
            another type than the task's. A mask fills a polygon's label only where masks are converted.
    """

    def __init__(self) -> None:
        """Load the model.

        Raises:
            FunctionError: Labels, `model.json` and the engine do not fit together.
        """
        labels = read_labels(DIRECTORY / "function.yaml")
        self._model = ModelHandler(labels)
        self._label_type = self._model.detector.manifest.label_type
        self.spec = cvataa.DetectionFunctionSpec(
            labels=[
                cvataa.label_spec(label.name, class_id, type=self._label_type(class_id))
                for class_id, label in labels.items()
            ]
        )

    def detect(self, context: cvataa.DetectionFunctionContext, image: PIL.Image.Image) -> list:
        """Detect objects in an image as cvat-sdk opens it.

        Args:
            context: Its `conf_threshold` replaces the thresholds in `model.json`, unless it is None; its
                `conv_mask_to_poly`, which older versions lack, asks for polygons in place of masks.
            image: Not yet decoded.

        Returns:
            Shapes in pixels of the image, best first.

        Raises:
            ImageError: The image cannot be decoded.
        """
        detector = self._model.detector
        size = decode_size(detector.manifest.input_size, detector.manifest.tiles)
        found = detector.detect(prepare(image, size), context.conf_threshold)
        to_polygons = getattr(context, "conv_mask_to_poly", False)
        return [self._shape(detection, to_polygons=to_polygons) for detection in found]

    def _shape(self, detection: Detection, *, to_polygons: bool) -> Any:
        kind, mask = self._label_type(detection.class_id), detection.mask
        if mask is None or kind == RECTANGLE:
            return cvataa.rectangle(detection.class_id, rounded_box(detection.box))
        if kind == MASK and not to_polygons:
            return cvataa.mask(detection.class_id, mask_points(mask))
        return cvataa.polygon(detection.class_id, polygon(mask).reshape(-1).tolist())


def create() -> DetectionFunction:
    """Called by cvat-cli."""
    return DetectionFunction()
