"""The network as it came, run by itself and decoded in NumPy: what everything made from it is compared with."""

from collections.abc import Callable, Sequence
from types import ModuleType

import numpy as np

from builder.imports.errors import UnknownClassError, UnsupportedModelError
from builder.imports.layout import Layout

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
