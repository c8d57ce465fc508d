"""Run one variant of a function on images as a container would, and read its replies as CVAT would.

CVAT stores nearly any reply and fails on a wrong one later, so each is checked in full.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from builder import child, probe
from builder.probe import ProbeResults, Reply
from builder.variants import Variant
from evaluation.ground_truth import GroundTruth
from preannotate.core.drafts import working_directory
from runtime.cvat import CONTENT_TYPE
from runtime.detector import Detection
from runtime.function_file import LABEL_TYPE
from runtime.manifest import Manifest

Detections = list[list[Detection]]


@dataclass(frozen=True)
class VariantDetections:
    """What one variant detected on the frozen images.

    Attributes:
        direct: Detections of its detector, for each image.
        served: The same, read back from the replies of its handler.
        problems: What is wrong with those replies.
        device: What ran the network.
        versions: By package.
    """

    direct: Detections
    served: Detections
    problems: tuple[str, ...]
    device: str
    versions: dict[str, str]


def detect_with_variant(variant: Variant, directory: Path, manifest: Manifest, truth: GroundTruth) -> VariantDetections:
    """Start one variant and send it every image.

    Args:
        variant: Chooses the engine.
        directory: functions/NAME/nuclio.
        manifest: With the labels as they are called in `function.yaml`.
        truth: The images; their annotations are not used.

    Raises:
        BuildError: It does not start, or it crashes.
    """
    from evaluation.scores import MIN_SCORE  # needs pycocotools, which doctor does without

    results = run_probe(
        directory,
        variant.engine,
        [truth.folder / image.file for image in truth.images],
        threshold=MIN_SCORE,
        step=f"{directory}: running the {variant.framework} variant",
    )
    direct = [
        [Detection(manifest.labels[class_id], class_id, score, (*box,)) for class_id, score, box in found]
        for found in results["direct"]
    ]
    served, problems = _read_replies(results, manifest.labels, truth)
    return VariantDetections(direct, served, tuple(problems), results["description"]["device"], results["versions"])


def run_probe(
    directory: Path,
    engine: str,
    images: Sequence[Path],
    *,
    threshold: float,
    step: str,
    timeout: float | None = None,
) -> ProbeResults:
    """Run `builder.probe` in a function directory.

    Args:
        directory: functions/NAME/nuclio.
        engine: Value of MODEL_ENGINE.
        images: Image files, sent in this order.
        threshold: Minimum score, in [0, 1]; not sent in the request of `served_by_default`.
        step: Begins the sentence if it fails.
        timeout: Seconds; None for no limit.

    Raises:
        BuildError: The function does not start, crashes or takes too long.
    """
    with working_directory() as work:
        requests, results = Path(work) / "requests.json", Path(work) / "results.json"
        content = {"images": [str(image.resolve()) for image in images], "threshold": threshold}
        requests.write_text(json.dumps(content), encoding="utf-8")
        arguments = [str(requests), str(results)]
        script = Path(probe.__file__)
        child.run_isolated(script, arguments, directory=directory.resolve(), engine=engine, step=step, timeout=timeout)
        found: ProbeResults = json.loads(results.read_text(encoding="utf-8"))
        return found


def parse_reply(
    response: Reply, labels: Sequence[str], image_size: tuple[int, int]
) -> tuple[list[Detection], list[str]]:
    """Return the detections of a reply, and a phrase for each thing that is wrong with it.

    `labels` are the names in `function.yaml`, by class id; `image_size` is (width, height).
    """
    if response["status_code"] != 200 or response["content_type"] != CONTENT_TYPE:
        return [], [f"status {response['status_code']}, {response['content_type']}: {response['body'][:200]}"]
    try:
        shapes = json.loads(response["body"], parse_constant=_refuse)
    except ValueError as error:
        return [], [f"the body is not JSON ({error})"]
    if not isinstance(shapes, list):
        return [], [f"the body is a {type(shapes).__name__}, CVAT wants a list"]
    problems = [problem for shape in shapes for problem in _shape_problems(shape, labels, image_size)]
    if problems:
        return [], problems
    found = [
        Detection(shape["label"], labels.index(shape["label"]), float(shape["confidence"]), tuple(shape["points"]))
        for shape in shapes
    ]
    return found, []


def _read_replies(results: ProbeResults, labels: Sequence[str], truth: GroundTruth) -> tuple[Detections, list[str]]:
    served: Detections = []
    problems: list[str] = []
    for replies_of_kind in (results["served_by_default"], results["served"]):
        served = []
        for image, response in zip(truth.images, replies_of_kind, strict=False):
            found, wrong = parse_reply(response, labels, image.size)
            served.append(found)
            problems += [f"{image.name}: {problem}" for problem in wrong[:1]]
    bad = results["bad_request"]
    if bad["status_code"] != 400 or set(json.loads(bad["body"])) != {"error"}:
        problems.append(f"a request that is not JSON: status {bad['status_code']}, expected 400 with an error")
    return served, problems


def _shape_problems(shape: Any, labels: Sequence[str], image_size: tuple[int, int]) -> list[str]:
    if not isinstance(shape, dict) or not {"confidence", "label", "points", "type"} <= set(shape):
        return [f"shape {shape!r} lacks one of confidence, label, points, type"]
    problems = []
    if shape["type"] != LABEL_TYPE:
        problems.append(f"type {shape['type']!r} is not {LABEL_TYPE!r}")
    if shape["label"] not in labels:
        problems.append(f"label {shape['label']!r} is not in function.yaml")
    if not isinstance(shape["confidence"], str):
        problems.append(f"confidence {shape['confidence']!r} is not a text")
    points = shape["points"]
    if not isinstance(points, list) or len(points) != 4 or not all(map(_plain_number, points)):
        return [*problems, f"points {points!r} are not four plain numbers"]
    x1, y1, x2, y2 = points
    if not (0 <= x1 < x2 <= image_size[0] and 0 <= y1 < y2 <= image_size[1]):
        problems.append(f"points {points!r} are not a box within {image_size[0]}x{image_size[1]}")
    return problems


def _plain_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not a number")
