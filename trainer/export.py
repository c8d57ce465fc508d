"""The export directory of a trained network: the input of the builder, and what its parity check needs.

saved_model/    the graph with the engine contract
model.json      labels, input, thresholds, provenance
calibration/    letterboxed training images, for quantisation
validation/     the frozen validation images, their ground truth, and the detections of the Keras network on them
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import tensorflow as tf
from PIL import Image

from evaluation import ground_truth, reference
from evaluation.reference import Reference
from preannotate.core.files import replacing_directory
from runtime.detector import Detection
from runtime.image import decode
from runtime.letterbox import Letterbox
from runtime.manifest import FILE_NAME, Manifest
from trainer.datasets import Sample
from trainer.models.network import Network

CALIBRATION_IMAGES = 100


@dataclass(frozen=True)
class Exported:
    """Content of an export directory; `detections` are those of the Keras network on each validation sample."""

    network: Network
    manifest: Manifest
    train: Sequence[Sample]
    validation: Sequence[Sample]
    detections: Sequence[Sequence[Detection]]


def write(exported: Exported, target: Path) -> None:
    """Write the export directory, whole or not at all; an old one is replaced."""
    with replacing_directory(target) as temporary:
        save_graph(exported.network, temporary / "saved_model")
        exported.manifest.write(temporary / FILE_NAME)
        _write_calibration(exported.train, exported.network.input_size, temporary / "calibration")
        _write_validation(exported, temporary / "validation")


def save_graph(network: Network, path: Path) -> None:
    """Write a SavedModel whose `serving_default` maps `pixels` to `boxes` and `scores`; see `Network.predict`."""
    width, height = network.input_size

    def serve(pixels: tf.Tensor) -> dict[str, tf.Tensor]:
        boxes, scores = network.predict(pixels)
        return {"boxes": boxes, "scores": scores}

    archive = keras.export.ExportArchive()
    archive.track(network.keras_model)
    signature = [tf.TensorSpec((None, height, width, 3), tf.uint8, name="pixels")]
    archive.add_endpoint("serving_default", serve, input_signature=signature)
    archive.write_out(str(path), verbose=False)


def _write_calibration(train: Sequence[Sample], input_size: tuple[int, int], folder: Path) -> None:
    folder.mkdir()
    step = max(len(train) // CALIBRATION_IMAGES, 1)
    for number, sample in enumerate(train[::step][:CALIBRATION_IMAGES]):
        image = decode(sample.image.read_bytes(), input_size)
        pixels = Letterbox.fit(image.size, input_size).pixels(image.pixels)
        Image.fromarray(pixels).save(folder / f"{number:03d}.png")


def _write_validation(exported: Exported, folder: Path) -> None:
    images = folder / "images"
    images.mkdir(parents=True)
    for sample in exported.validation:
        shutil.copyfile(sample.image, images / sample.image.name)
    truth = [sample.to_ground_truth(f"images/{sample.image.name}") for sample in exported.validation]
    ground_truth.write(folder, exported.manifest.labels, truth)
    reference.write(folder, Reference(f"Keras {keras.__version__}", exported.detections))
