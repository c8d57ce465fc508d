"""Where the milliseconds of one request go, and what it costs besides the engine's inference.

    python benchmarks/stages.py functions/NAME [--photo FILE]

Each stage is the median of thirty runs in one process, on JPEGs of quality 90. "Plain" is what decoding costs when
written in the usual way: `Image.open().convert("RGB")`, `numpy.asarray`, resize to the network's input.
"""

import argparse
import base64
import io
import json
import statistics
import time
import types
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image
from results import describe_machine

from preannotate.synthetic.image import draw_image
from runtime import engines
from runtime.cvat import decode_request, rectangle, reply
from runtime.detector import Detector
from runtime.manifest import Manifest

SIZES = ((640, 480), (1920, 1080), (4000, 3000))
RUNS = 30
INFERENCE, PLAIN, BESIDES = "inference", "plain decode and resize", "besides inference / plain"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("function", type=Path)
    parser.add_argument("--photo", type=Path, help="resized to each size; without it, synthetic images are used")
    options = parser.parse_args()
    detector = load(options.function / "nuclio")
    measured = {f"{size[0]}x{size[1]}": measure(detector, jpeg(options.photo, size)) for size in SIZES}
    print(json.dumps({"milliseconds": measured, "machine": describe_machine()}, indent=1))


def load(directory: Path) -> Detector:
    """The CPU variant of functions/NAME/nuclio."""
    return Detector(engines.load("openvino", directory), Manifest.read(directory))


def jpeg(photo: Path | None, size: tuple[int, int]) -> bytes:
    """A JPEG of quality 90."""
    if photo is None:
        image = draw_image(1, size).image
    else:
        image = Image.open(photo).convert("RGB").resize(size, Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=90)
    return stream.getvalue()


def measure(detector: Detector, data: bytes) -> dict[str, float]:
    """Milliseconds of each stage."""
    body = json.dumps({"image": base64.b64encode(data).decode("ascii")}).encode("ascii")
    event = types.SimpleNamespace(body=json.loads(body))
    image = detector.decode(data)
    views, inputs = detector.inputs(image)
    outputs = [detector.run(pixels) for pixels in inputs]
    found = detector.detect(image)

    def plain() -> None:
        whole = Image.open(io.BytesIO(data)).convert("RGB")
        Image.fromarray(np.asarray(whole)).resize(detector.manifest.input_size)

    stages: dict[str, Callable[[], object]] = {
        "json of the request": lambda: json.loads(body),
        "base64": lambda: decode_request(event),
        "decode": lambda: detector.decode(data),
        "letterbox": lambda: detector.inputs(image),
        INFERENCE: lambda: [detector.run(pixels) for pixels in inputs],
        "thresholds and nms": lambda: detector.select(outputs, views),
        "json of the reply": lambda: reply([rectangle(item) for item in found]),
        PLAIN: plain,
    }
    # Round by round, so that whatever else the machine does meets all stages alike.
    rounds = [{name: _seconds(stage) for name, stage in stages.items()} for _ in range(RUNS)]
    result = {name: round(1000 * statistics.median(item[name] for item in rounds), 3) for name in stages}
    besides = sum(result[name] for name in stages if name not in (INFERENCE, PLAIN))
    return result | {BESIDES: round(besides / result[PLAIN], 3)}


def _seconds(stage: Callable[[], object]) -> float:
    started = time.perf_counter()
    stage()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
