"""What runs a graph: one file for each engine, found by its name.

An engine file has `load(directory) -> Engine`. The graph takes the letterboxed image and gives decoded
boxes and scores, and what masks are composed of if it gives masks; everything before and after lies outside and is
shared, so that engines cannot drift.
"""

import importlib
import pkgutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Protocol

import numpy as np

from runtime.errors import EngineError
from runtime.manifest import MaskKind

# What every network gives.
OUTPUTS = ("boxes", "scores")
# What a network with masks gives beside it; the last output of `KERNELS` has the places of the kernels.
MASK_OUTPUTS = {
    MaskKind.PROTOTYPES: ("mask_coefficients", "prototypes"),
    MaskKind.KERNELS: ("mask_kernels", "mask_features", "mask_locations"),
    MaskKind.BOX_MASKS: ("masks",),
}


class Engine(Protocol):
    """The contract between a graph and the runtime.

    Attributes:
        name: The engine's file name.
        device: Where it runs, for the log.
        warning: A sentence if it runs otherwise than one would expect, else "".
    """

    name: str
    device: str
    warning: str

    def run(self, pixels: np.ndarray) -> dict[str, np.ndarray]:
        """Run the network.

        Args:
            pixels: uint8 (B, H, W, 3), RGB, at the network's input size; B is 1 but for batches of nuclio.

        Returns:
            `boxes`, float32 (B, N, 4): xyxy in input pixels. `scores`, float32 (B, N, K), in [0, 1]. A network whose
            `model.json` has a `mask_head` gives one of these beside them, where h and w divide the input evenly and
            cell (y, x) of a map covers [x, x + 1) * W / w of it:

            - `mask_coefficients`, float32 (B, N, C), and `prototypes`, float32 (B, h, w, C): the sigmoid of their
              product is the mask, inside the box (YOLACT, https://arxiv.org/abs/1904.02689).
            - `mask_kernels`, float32 (B, N, P), `mask_features`, float32 (B, h, w, C), and `mask_locations`, float32
              (B, N, 3): x and y in input pixels, and a divisor. A row of kernels has the weights of 1x1 convolutions
              (out, in), layer by layer, and then all biases. They go over two channels of coordinates, the location
              less the centre of the cell, by the divisor, and the features; ReLU in between and a sigmoid at the end
              (CondInst, https://arxiv.org/abs/2003.05664; RTMDet-Ins, https://arxiv.org/abs/2212.07784).
            - `masks`, float32 (B, N, m, m), in [0, 1]: in the frame of the box, for its best class (Mask R-CNN,
              https://arxiv.org/abs/1703.06870).
        """


def one_by_one(run: Callable[[np.ndarray], dict[str, np.ndarray]], pixels: np.ndarray) -> dict[str, np.ndarray]:
    """`Engine.run` for a graph that takes one image, (1, H, W, 3), at a time; `pixels` are (B, H, W, 3)."""
    runs = [run(image[None]) for image in np.ascontiguousarray(pixels)]
    return runs[0] if len(runs) == 1 else {name: np.concatenate([one[name] for one in runs]) for name in runs[0]}


def contract_outputs(found: Iterable[str]) -> tuple[str, ...]:
    """Return those of a graph's outputs that belong to the contract: `OUTPUTS`, then those of masks if it has any."""
    found = set(found)
    return (*OUTPUTS, *(name for outputs in MASK_OUTPUTS.values() for name in outputs if name in found))


def names() -> list[str]:
    """The engines there are."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def load(name: str, directory: Path) -> Engine:
    """Load the model in `directory` with the engine `name`.

    Raises:
        EngineError: No such engine, it is not installed, or it cannot load the model.
    """
    if name not in names():
        raise EngineError(f"MODEL_ENGINE: unknown engine {name!r}; expected one of: {', '.join(names())}.")
    try:
        module = importlib.import_module(f"runtime.engines.{name}")
    except ImportError as error:
        raise EngineError(
            f"{name}: {error}; expected the engine to be installed. Install its package or use another variant."
        ) from error
    return module.load(Path(directory))
