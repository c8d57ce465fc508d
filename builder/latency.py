"""How long two IRs of one network take for an image, in turns: `python -m builder.latency DIRECTORY DIRECTORY OUT`."""

import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from builder import child

_RUNS = 60


def latency_ratio(directory: Path, reference: Path) -> float:
    """Median time of one inference of the model in `directory` over that in `reference`, with one thread.

    Both hold model.xml; `reference` holds `model.json` too.

    Raises:
        BuildError: One cannot be loaded.
    """
    with tempfile.TemporaryDirectory(prefix="preannotate-") as work:
        result = Path(work) / "seconds.json"
        child.run_module(
            __name__, [str(directory), str(reference), str(result)], step=f"{directory}: measuring latency"
        )
        measured, compared = json.loads(result.read_text("ascii"))
    return measured / compared


def main(directory: str, reference: str, result: str) -> None:
    """Measure in this process."""
    import numpy as np

    from runtime import engines
    from runtime.manifest import Manifest

    os.environ["MODEL_THREADS"] = "1"
    width, height = Manifest.read(Path(reference)).input_size
    pixels = np.random.default_rng(0).integers(0, 255, (1, height, width, 3), np.uint8)
    loaded = [engines.load("openvino", Path(folder)) for folder in (directory, reference)]
    seconds: list[list[float]] = [[], []]
    for _ in range(_RUNS):
        for engine, times in zip(loaded, seconds, strict=True):
            started = time.perf_counter()
            engine.run(pixels)
            times.append(time.perf_counter() - started)
    Path(result).write_text(json.dumps([statistics.median(times) for times in seconds]), "ascii")


if __name__ == "__main__":
    main(*sys.argv[1:])
