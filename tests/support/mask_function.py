"""A function directory whose network gives masks: it finds the same two objects in every image, whatever it shows."""

from pathlib import Path

import numpy as np

from builder.build import assemble
from runtime.manifest import Manifest, MaskHead, MaskKind, Postprocess

LABELS = ("cell", "spill")
# Input pixels; an image of this size is not resized.
SIZE = (64, 48)
BOXES = ((8, 8, 28, 28), (30, 10, 60, 40))
SCORES = ((0.9, 0.0), (0.0, 0.8))


def write_mask_function(directory: Path, label_types: tuple[str, ...] = ()) -> Path:
    """Write DIRECTORY/export and DIRECTORY/nuclio, the function; return the latter. Needs OpenVINO."""
    export, nuclio = directory / "export", directory / "nuclio"
    _save_network(export / "ir")
    manifest = Manifest(
        "discs", LABELS, SIZE, Postprocess(0.5, (0.5, 0.5)), {}, MaskHead(MaskKind.BOX_MASKS), label_types
    )
    manifest.write(export / "model.json")
    assemble(export, nuclio, "cells", manifest)
    for file in (export / "ir").iterdir():
        (nuclio / file.name).write_bytes(file.read_bytes())
    return nuclio


def _save_network(folder: Path) -> None:
    """Discs that fill their boxes, 28x28; the second has a hole."""
    import openvino as ov
    from openvino import opset13 as ops

    y, x = np.mgrid[:28, :28] - 13.5
    radius = np.hypot(x, y)
    masks = np.stack([radius < 14, (radius < 14) & (radius > 6)]).astype(np.float32)
    width, height = SIZE
    pixels = ops.parameter([1, height, width, 3], ov.Type.u8, "pixels")
    pixels.output(0).set_names({"pixels"})
    nothing = ops.multiply(ops.reduce_max(ops.convert(pixels, "f32"), [0, 1, 2, 3], False), np.float32(0))
    results = []
    for name, values in (("boxes", BOXES), ("scores", SCORES), ("masks", masks)):
        results.append(ops.result(ops.add(ops.constant(np.array([values], np.float32)), nothing)))
        results[-1].output(0).set_names({name})
    folder.mkdir(parents=True)
    ov.save_model(ov.Model(results, [pixels], "discs"), folder / "model.xml")
