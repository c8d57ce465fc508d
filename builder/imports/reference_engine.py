"""The unchanged network with the NumPy decoding of an adapter, as an engine of the runtime."""

from collections.abc import Callable, Sequence
from types import ModuleType

import numpy as np

from builder.confinement import IMAGE_SECONDS, deadline
from builder.imports import values
from builder.imports.adapters import mask_head
from builder.imports.errors import UnknownClassError, UnsupportedModelError
from builder.imports.layout import Layout
from builder.imports.plausibility import Answers

# The outputs that an adapter decodes, for one input.
Run = Callable[[np.ndarray], Sequence[np.ndarray]]


class ReferenceEngine:
    """A network with its adapter, as an engine of the runtime.

    Attributes:
        input_size: (width, height).
        answers: What was read from its outputs so far.
        mask_head: How its masks are composed; None if it gives none.
    """

    name, device, warning = "reference", "CPU", ""

    def __init__(
        self, run: Run, prepare: Callable[[np.ndarray], np.ndarray], adapter: ModuleType, layout: Layout
    ) -> None:
        self._run = run
        self._prepare = prepare
        self._adapter = adapter
        self._layout = layout
        self.input_size = layout.input_size
        self.mask_head = mask_head(adapter)
        self.answers = Answers(layout.input_size, adapter.THRESHOLD)

    def outputs(self, pixels: np.ndarray) -> Sequence[np.ndarray]:
        """The outputs that the adapter decodes, for the pixels of `run`."""
        with deadline(IMAGE_SECONDS):
            return self._run(self._prepare(pixels))

    def contradiction(self, outputs: Sequence[Sequence[np.ndarray]]) -> str:
        """What the values of the outputs for several images have that the adapter's layout has not; "" if nothing."""
        contradiction = getattr(self._adapter, "contradiction", None)
        return "" if contradiction is None else str(contradiction(values.gather(outputs), self._layout))

    def run(self, pixels: np.ndarray) -> dict[str, np.ndarray]:
        """See `runtime.engines.Engine.run`; one image.

        Raises:
            UnsupportedModelError: What comes out cannot be what the adapter takes it for.
        """
        outputs = self.outputs(pixels)
        try:
            with np.errstate(over="ignore", invalid="ignore"):  # what a wrong adapter computes
                boxes, scores = self._adapter.decode(outputs, self._layout)
        except UnknownClassError as error:
            raise UnsupportedModelError(f"{error}. Correct the labels, or give --first-class.") from error
        if not values.are_scores(scores):
            name = self._adapter.__name__.rpartition(".")[2]
            raise UnsupportedModelError(
                f"scores from {scores.min():.3g} to {scores.max():.3g}; expected numbers in [0, 1]: these are no "
                f"outputs of {name}. Choose another --adapter, or export the model with its sigmoid."
            )
        scores = np.clip(scores, 0, 1).astype(np.float32)
        self.answers.add(boxes, scores)
        answered = scores[..., list(self._layout.kept)] if self._layout.kept else scores
        return {"boxes": boxes.astype(np.float32), "scores": answered, **self._masks(outputs)}

    def _masks(self, outputs: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
        if self.mask_head is None:
            return {}
        found = {
            name: np.asarray(values_of, np.float32)
            for name, values_of in self._adapter.decode_masks(outputs, self._layout).items()
        }
        masks = found.get("masks")
        if masks is not None and not values.are_scores(masks):
            raise UnsupportedModelError(
                f"masks from {masks.min():.3g} to {masks.max():.3g}; expected probabilities in [0, 1]. Export the "
                f"model with the sigmoid of its masks."
            )
        return found
