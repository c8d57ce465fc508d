"""The export directory of a trained network: the input of the builder, and what its parity check needs.

saved_model/    the graph with the engine contract
model.json      labels, input, thresholds, provenance
calibration/    the network's inputs of training images, for quantisation
validation/     the frozen validation images, their ground truth, and the detections of the Keras network on them
"""

import shutil
from collections.abc import Sequence
from pathlib import Path

import keras
import tensorflow as tf
from PIL import Image

from evaluation import ground_truth, reference
from evaluation.reference import Reference
from preannotate.core.files import replacing_directory
from runtime.detector import Detection
from runtime.manifest import FILE_NAME, Manifest
from trainer.datasets import Sample, Split
from trainer.input_pipeline import serving_inputs
from trainer.models.network import Network

CALIBRATION_IMAGES = 100


def write(
    target: Path, network: Network, manifest: Manifest, split: Split, detections: Sequence[Sequence[Detection]]
) -> None:
    """Write the export directory, whole or not at all; an old one is replaced.

    `detections` are those of the Keras network on each validation sample.
    """
    with replacing_directory(target) as temporary:
        save_graph(network, temporary / "saved_model")
        manifest.write(temporary / FILE_NAME)
        _write_calibration(split.train, manifest, temporary / "calibration")
        validation = temporary / "validation"
        (validation / "images").mkdir(parents=True)
        for sample in split.validation:
            shutil.copyfile(sample.image, validation / "images" / sample.image.name)
        truth = [sample.to_ground_truth(f"images/{sample.image.name}") for sample in split.validation]
        ground_truth.write(validation, manifest.labels, truth)
        reference.write(validation, Reference(f"Keras {keras.__version__}", detections))


def save_graph(network: Network, path: Path) -> None:
    """Write a SavedModel whose `serving_default` maps `pixels` to the outputs of `Network.predict`."""
    width, height = network.input_size
    archive = keras.export.ExportArchive()
    archive.track(network.keras_model)
    signature = [tf.TensorSpec((None, height, width, 3), tf.uint8, name="pixels")]
    archive.add_endpoint("serving_default", network.predict, input_signature=signature)
    archive.write_out(str(path), verbose=False)


def _write_calibration(train: Sequence[Sample], manifest: Manifest, folder: Path) -> None:
    folder.mkdir()
    step = max(len(train) // CALIBRATION_IMAGES, 1)
    inputs = serving_inputs(train[::step][:CALIBRATION_IMAGES], manifest.input_size, manifest.tiles)
    for number, pixels in enumerate(inputs):
        Image.fromarray(pixels).save(folder / f"{number:03d}.png")
