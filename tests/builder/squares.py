"""An export directory whose network needs no training: it finds red and blue squares of 8 pixels on a grid.

Run as a script in a subprocess: `python squares.py EXPORT` (TensorFlow stays out of the test process).
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

from evaluation import ground_truth, reference
from evaluation.ground_truth import AnnotatedImage
from runtime.manifest import Manifest, Postprocess

LABELS = ("red square", 'blau ▪ "quadrat"')
COLOURS = ((230, 20, 30), (20, 30, 230))
INPUT_SIZE = (64, 48)
CELL = 8


def draw(seed: int) -> tuple[Image.Image, AnnotatedImage]:
    """A noisy grey image of 128x96 with three squares of 16 pixels on the grid of the network's cells."""
    random = np.random.default_rng(seed)
    pixels = random.integers(90, 150, (96, 128, 3), np.uint8)
    cells = random.choice(8 * 6, 3, replace=False)
    boxes, class_ids = [], []
    for number, cell in enumerate(cells):
        x, y = int(cell % 8) * 16, int(cell // 8) * 16
        pixels[y : y + 16, x : x + 16] = COLOURS[number % 2]
        boxes.append([x, y, x + 16, y + 16])
        class_ids.append(number % 2)
    name = f"{seed}.png"
    truth = AnnotatedImage(name, f"images/{name}", (128, 96), np.array(boxes, np.float32), np.array(class_ids))
    return Image.fromarray(pixels), truth


def write_manifest(export: Path) -> Manifest:
    """`model.json` of the network."""
    postprocess = Postprocess(threshold=0.5, thresholds=(0.5, 0.4))
    manifest = Manifest("squares", LABELS, INPUT_SIZE, postprocess, {"seed": 1})
    manifest.write(export / "model.json")
    return manifest


def write_images(export: Path, count: int) -> None:
    """`validation/` without `reference.json`."""
    folder = export / "validation"
    (folder / "images").mkdir(parents=True)
    drawn = [draw(seed) for seed in range(count)]
    for image, truth in drawn:
        image.save(folder / truth.file)
    ground_truth.write(folder, LABELS, [truth for _, truth in drawn])


def write_calibration(export: Path, count: int) -> None:
    """`calibration/`: letterboxed images, here at half their size."""
    (export / "calibration").mkdir()
    for seed in range(100, 100 + count):
        draw(seed)[0].resize(INPUT_SIZE, Image.Resampling.BOX).save(export / "calibration" / f"{seed}.png")


def main(export: Path) -> None:
    """Write the whole export directory."""
    import keras
    import tensorflow as tf

    from evaluation.scores import detect_all
    from runtime.detector import Detector

    width, height = INPUT_SIZE
    image = keras.Input((height, width, 3))
    # The mean of a cell, then red minus the others and blue minus the others.
    logits = keras.layers.Conv2D(2, CELL, strides=CELL, name="logits")(image)
    scores = keras.layers.Reshape((-1, 2))(keras.layers.Activation("sigmoid")(logits))
    network = keras.Model(image, scores)
    kernel = np.zeros((CELL, CELL, 3, 2), np.float32)
    kernel[..., :, 0], kernel[..., :, 1] = (0.7, -0.35, -0.35), (-0.35, -0.35, 0.7)
    network.get_layer("logits").set_weights([kernel / CELL**2 * 8 / 255 * 5, np.array([-8.0, -8.0], np.float32)])
    y, x = np.mgrid[0:height:CELL, 0:width:CELL]
    cells = np.stack([x, y, x + CELL, y + CELL], -1).reshape(1, -1, 4).astype(np.float32)

    def detect(pixels: tf.Tensor) -> dict[str, tf.Tensor]:
        found = network(tf.cast(pixels, tf.float32), training=False)
        return {"boxes": tf.tile(cells, [tf.shape(pixels)[0], 1, 1]), "scores": found}

    class KerasEngine:
        name, device, warning = "keras", "CPU", ""

        def run(self, pixels: np.ndarray) -> dict[str, np.ndarray]:
            return {key: value.numpy() for key, value in detect(tf.constant(pixels)).items()}

    archive = keras.export.ExportArchive()
    archive.track(network)
    signature = [tf.TensorSpec((None, height, width, 3), tf.uint8, name="pixels")]
    archive.add_endpoint("serving_default", detect, input_signature=signature)
    export.mkdir(parents=True)
    archive.write_out(str(export / "saved_model"), verbose=False)
    manifest = write_manifest(export)
    write_images(export, 4)
    write_calibration(export, 8)
    found = detect_all(Detector(KerasEngine(), manifest), ground_truth.read(export / "validation"))
    reference.write(export / "validation", reference.Reference("Keras", found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
