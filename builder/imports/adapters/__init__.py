"""What the outputs of a network mean: one file for each layout, found by its name.

An adapter has

    OUTPUTS       what it decodes, in words
    GRAPHS        the kinds of files whose networks it decodes: "onnx", "ir", "saved_model"
    PIXELS        the usual `builder.imports.layout.Preprocessing` of such networks; the user may override it
    FIRST_CLASS   usual class number of the first label, if the network returns class numbers
    THRESHOLD     minimum score that its authors use; the default if no image is annotated
    match(outputs, input_size) -> AdapterMatch | None     whether names and shapes fit, and how many classes they have
    decode(arrays, layout) -> boxes, scores               in NumPy, for the reference
    graph(outputs, layout, ops) -> boxes, scores          the same as operations of the served graph

`decode` and `graph` are written independently on purpose: each verifies the other. Boxes are (1, N, 4), xyxy,
input pixels; scores (1, N, K), in [0, 1].
"""

import importlib
import pkgutil
from collections.abc import Callable, Sequence
from types import ModuleType

import numpy as np

from builder.imports.layout import AdapterMatch, Layout, Shapes, UnknownClassError, UnsupportedModelError


def names() -> list[str]:
    """List all adapters, sorted."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def load(name: str) -> ModuleType:
    """Import one of `names()`."""
    return importlib.import_module(f"{__name__}.{name}")


def choose_adapter(
    kind: str, outputs: Shapes, input_size: tuple[int, int], *, num_labels: int, wanted: str | None
) -> tuple[str, ModuleType, AdapterMatch]:
    """Find the adapter whose layout fits.

    Args:
        kind: "onnx", "ir" or "saved_model".
        outputs: Of the network.
        input_size: (width, height).
        num_labels: Number of class names from the user.
        wanted: The only adapter to consider; None for all.

    Returns:
        Its name, the adapter, and the outputs it decodes.

    Raises:
        UnsupportedModelError: No adapter fits, several do, or the number of labels is not that of the classes.
    """
    possible = {name: load(name) for name in ([wanted] if wanted else names())}
    possible = {name: adapter for name, adapter in possible.items() if kind in adapter.GRAPHS}
    fitting = {name: match for name, adapter in possible.items() if (match := adapter.match(outputs, input_size))}
    counted = {name: match for name, match in fitting.items() if match.num_classes in (None, num_labels)}
    if len(counted) == 1:
        ((name, match),) = counted.items()
        return name, possible[name], match
    if counted:
        raise UnsupportedModelError(
            f"outputs {describe_outputs(outputs)}, which {' and '.join(counted)} decode; expected one adapter to fit. "
            f"Choose it with --adapter."
        )
    if fitting:
        counts = " or ".join(str(match.num_classes) for match in fitting.values())
        raise UnsupportedModelError(
            f"{num_labels} labels for {counts} classes of the network; expected one name for each class, in the order "
            f"of its training. Correct the file of labels."
        )
    known = " | ".join(f"{name}: {adapter.OUTPUTS}" for name, adapter in possible.items())
    raise UnsupportedModelError(
        f"outputs {describe_outputs(outputs)} at input {input_size[0]}x{input_size[1]}; expected those of an adapter "
        f"for such files ({known or f'{wanted} reads none'}). Export the model in another way, or write an adapter."
    )


def describe_outputs(outputs: Shapes) -> str:
    """Names and shapes for a message."""
    return ", ".join(
        f"{name} ({', '.join('?' if side < 0 else str(side) for side in shape)})" for name, shape in outputs.items()
    )


# The outputs that an adapter decodes, for one input.
Run = Callable[[np.ndarray], Sequence[np.ndarray]]
# A score may miss [0, 1] by rounding.
_ROUNDING = 1e-3


class ReferenceEngine:
    """A network with its adapter, as an engine of the runtime."""

    name, device, warning = "reference", "CPU", ""

    def __init__(
        self, run: Run, prepare: Callable[[np.ndarray], np.ndarray], adapter: ModuleType, layout: Layout
    ) -> None:
        self._run = run
        self._prepare = prepare
        self._adapter = adapter
        self._layout = layout

    def run(self, pixels: np.ndarray) -> dict[str, np.ndarray]:
        """See `runtime.engines.Engine.run`; one image.

        Raises:
            UnsupportedModelError: What comes out cannot be what the adapter takes it for.
        """
        try:
            boxes, scores = self._adapter.decode(self._run(self._prepare(pixels)), self._layout)
        except UnknownClassError as error:
            raise UnsupportedModelError(f"{error}. Correct the file of labels, or give --first-class.") from error
        # Written so that a NaN is refused too.
        if scores.size and not (scores.min() >= -_ROUNDING and scores.max() <= 1 + _ROUNDING):
            raise UnsupportedModelError(
                f"scores from {scores.min():.3g} to {scores.max():.3g}; expected numbers in [0, 1]: these are no "
                f"outputs of {self._adapter.__name__.rpartition('.')[2]}. Choose another --adapter, or export the "
                f"model with its sigmoid."
            )
        return {"boxes": boxes.astype(np.float32), "scores": np.clip(scores, 0, 1).astype(np.float32)}
