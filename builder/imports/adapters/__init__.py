"""What the outputs of a network mean: one file for each layout, found by its name.

An adapter has

    OUTPUTS       what it decodes, in words
    GRAPHS        the kinds of files whose networks it decodes: "onnx", "ir", "saved_model"
    PIXELS        `builder.imports.pixels.Pixels`: what such networks are fed with, unless the user says otherwise
    FIRST_CLASS   the number of the first label, where the network answers with numbers
    THRESHOLD     score from which its authors count a detection, where nobody annotated images to choose by
    match(outputs, input_size) -> Match | None            whether shapes and names fit, and to how many classes
    decode(arrays, layout) -> boxes, scores               in NumPy, for the reference
    graph(outputs, layout, ops) -> boxes, scores          the same as operations, for what is served

`decode` and `graph` are two texts on purpose: the one proves the other. Boxes are (1, N, 4), xyxy, input pixels;
scores (1, N, K), in [0, 1].
"""

import importlib
import pkgutil
from types import ModuleType


def names() -> list[str]:
    """The adapters there are."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def load(name: str) -> ModuleType:
    """One of `names()`."""
    return importlib.import_module(f"{__name__}.{name}")
