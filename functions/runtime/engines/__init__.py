"""What runs a graph: one file for each engine, found by its name.

An engine file has `load(directory) -> Engine`. The graph takes the letterboxed image and gives decoded
boxes and scores; everything before and after lies outside and is shared, so that engines cannot drift.
"""

import importlib
import pkgutil
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import numpy as np

from runtime.errors import EngineError


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
            `boxes`, float32 (B, N, 4): xyxy in input pixels. `scores`, float32 (B, N, K), in [0, 1].
        """


def one_by_one(run: Callable[[np.ndarray], dict[str, np.ndarray]], pixels: np.ndarray) -> dict[str, np.ndarray]:
    """`Engine.run` for a graph that takes one image, (1, H, W, 3), at a time; `pixels` are (B, H, W, 3)."""
    runs = [run(image[None]) for image in np.ascontiguousarray(pixels)]
    return runs[0] if len(runs) == 1 else {name: np.concatenate([one[name] for one in runs]) for name in runs[0]}


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
