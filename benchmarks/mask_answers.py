"""What masks add to an answer: a function with masks against one with boxes of the same network, on one photo.

    python benchmarks/mask_answers.py functions/BOXES functions/MASKS [--photo FILE] [--objects 20]

Both are CPU functions with the same size of input, such as those of `yolox-nano` and `yolox-nano-seg`. An answer is
all from the request's JSON to the reply's, of a JPEG of 1920x1080, without a photo six drawn scenes; every function's
threshold is the one at which it finds so many objects. Masks are answered as CVAT takes them: a polygon and the pixels
of each. They take turns in one process: a machine that slows down slows both. The worker's memory: `cold_start.py`.
"""

import argparse
import base64
import io
import json
import statistics
import time
import types
from pathlib import Path

import numpy as np
import stages
from PIL import Image
from results import describe_machine

from preannotate.synthetic.image import draw_image
from runtime.cvat import decode_request, reply, shapes
from runtime.detector import Detection, Detector
from runtime.manifest import MASK

SIZE = (1920, 1080)
ROUNDS = 40


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("boxes", type=Path, metavar="BOXES", help="function directory of a model without masks")
    parser.add_argument("masks", type=Path, metavar="MASKS", help="function directory of a model with masks")
    parser.add_argument("--photo", type=Path, help="resized to 1920x1080; without it, drawn scenes are used")
    parser.add_argument("--objects", type=int, default=20)
    options = parser.parse_args()
    data = stages.jpeg(options.photo, SIZE) if options.photo else _drawn_scenes()
    body = json.dumps({"image": base64.b64encode(data).decode("ascii")}).encode("ascii")
    detectors = {"boxes": stages.load(options.boxes / "nuclio"), "masks": stages.load(options.masks / "nuclio")}
    sizes = {detector.manifest.input_size for detector in detectors.values()}
    if len(sizes) > 1:
        parser.error(f"inputs of {' and '.join(map(str, sorted(sizes)))}; expected functions with the same input size.")
    thresholds = {kind: _threshold(detector, data, options.objects) for kind, detector in detectors.items()}
    seconds: dict[str, list[float]] = {kind: [] for kind in detectors}
    for _ in range(ROUNDS):
        for kind, detector in detectors.items():
            begun = time.perf_counter()
            found = _answer(detector, body, thresholds[kind])
            seconds[kind].append(time.perf_counter() - begun)
    medians = {kind: statistics.median(values[2:]) for kind, values in seconds.items()}
    diagonals = [np.hypot(one.box[2] - one.box[0], one.box[3] - one.box[1]) for one in found]
    result = {
        "input_size": list(sizes.pop()),
        "objects": len(found),
        "median_diagonal_pixels": round(float(np.median(diagonals))),
        **{f"{kind}_milliseconds": round(1000 * value, 1) for kind, value in medians.items()},
        "masks_add": round(medians["masks"] / medians["boxes"] - 1, 3),
        "machine": describe_machine(),
    }
    print(json.dumps(result, indent=1))


def _drawn_scenes() -> bytes:
    width, height = SIZE[0] // 3, SIZE[1] // 2
    image = Image.new("RGB", SIZE)
    for number in range(6):
        image.paste(draw_image(number, (width, height)).image, (number % 3 * width, number // 3 * height))
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=90)
    return stream.getvalue()


def _threshold(detector: Detector, data: bytes, objects: int) -> float:
    """Return the score of the last of so many objects of a photo."""
    found = detector.detect(detector.decode(data), threshold=0.0)
    if len(found) < objects:
        raise SystemExit(f"{detector.manifest.family}: {len(found)} objects found; expected {objects}.")
    return found[objects - 1].score


def _answer(detector: Detector, body: bytes, threshold: float) -> list[Detection]:
    request = decode_request(types.SimpleNamespace(body=json.loads(body)))
    found = detector.detect(detector.decode(request.image), threshold)
    reply(shapes(found, lambda _: MASK))
    return found


if __name__ == "__main__":
    main()
