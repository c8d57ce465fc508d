"""Run one variant of a function on images as a container would, and read its replies as CVAT would.

CVAT stores nearly any reply and fails on a wrong one later, so each is checked in full.
"""

import json
import math
import reprlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from builder import child, probe
from builder.probe import ProbeResults, Reply
from builder.variants import Variant
from evaluation.ground_truth import GroundTruth
from evaluation.polygon_filling import polygon_mask
from preannotate.core.drafts import working_directory
from runtime.cvat import CONTENT_TYPE, shape_types
from runtime.detector import Detection
from runtime.manifest import MASK, POLYGON, RECTANGLE, Manifest
from runtime.masks import InstanceMask
from runtime.polygons import is_simple, polygon

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
        [
            Detection(
                manifest.labels[class_id], class_id, score, (*box,), InstanceMask.from_json(mask) if mask else None
            )
            for class_id, score, box, mask in found
        ]
        for found in results["direct"]
    ]
    served, problems = _read_replies(results, manifest, truth)
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
    response: Reply,
    labels: Sequence[str],
    image_size: tuple[int, int],
    label_type: Callable[[int], str] = lambda class_id: RECTANGLE,
) -> tuple[list[Detection], list[str]]:
    """Return the detections of a reply, and a phrase for each thing that is wrong with it.

    Args:
        response: Of the handler.
        labels: Names in `function.yaml`, by class id.
        image_size: (width, height).
        label_type: Of a class id, as `Manifest.label_type`.

    Returns:
        The box of a mask or of a polygon is the one around it; the mask of a polygon are the pixels inside of it.
    """
    body = probe.unpack(response["body"])
    if response["status_code"] != 200 or response["content_type"] != CONTENT_TYPE:
        return [], [f"status {response['status_code']}, {response['content_type']}: {body[:200]}"]
    try:
        shapes = json.loads(body, parse_constant=_refuse)
    except ValueError as error:
        return [], [f"the body is not JSON ({error})"]
    if not isinstance(shapes, list):
        return [], [f"the body is a {type(shapes).__name__}, CVAT wants a list"]
    problems = [problem for shape in shapes for problem in _shape_problems(shape, labels, image_size, label_type)]
    return ([], problems) if problems else ([_detection(shape, labels) for shape in shapes], [])


def _detection(shape: Any, labels: Sequence[str]) -> Detection:
    name, score, points = shape["label"], float(shape["confidence"]), shape["points"]
    class_id = labels.index(name)
    if shape["type"] == MASK:
        *pixels, left, top, right, bottom = shape["mask"]
        bitmap = np.array(pixels, bool).reshape(bottom - top + 1, right - left + 1)
        if (mask := InstanceMask.from_bitmap(bitmap, left, top)) is not None:  # it is: `_shape_problems` has looked
            return Detection(name, class_id, score, mask.box, mask)
    if shape["type"] == RECTANGLE:
        return Detection(name, class_id, score, tuple(points))
    corners = np.array(points, float).reshape(-1, 2)
    return Detection(name, class_id, score, _box_around(corners), polygon_mask(corners))


def as_answered(detections: Sequence[Sequence[Detection]], manifest: Manifest) -> Detections:
    """Return detections as their answers have them: masks of polygons are filled, and boxes are those around them."""
    return [
        [_as_answered(one, kind) for one, kind in zip(image, shape_types(image, manifest.label_type), strict=True)]
        for image in detections
    ]


def _as_answered(found: Detection, shape_type: str) -> Detection:
    if found.mask is None or shape_type == RECTANGLE:
        return replace(found, mask=None)
    if shape_type == MASK:
        return replace(found, box=found.mask.box)
    points = polygon(found.mask)
    return replace(found, box=_box_around(points), mask=polygon_mask(points))


def _box_around(points: np.ndarray) -> tuple[float, float, float, float]:
    (x1, y1), (x2, y2) = points.min(axis=0).tolist(), points.max(axis=0).tolist()
    return x1, y1, x2, y2


def _read_replies(results: ProbeResults, manifest: Manifest, truth: GroundTruth) -> tuple[Detections, list[str]]:
    served: Detections = []
    problems: list[str] = []
    for replies_of_kind in (results["served_by_default"], results["served"]):
        served = []
        for image, response in zip(truth.images, replies_of_kind, strict=False):
            found, wrong = parse_reply(response, manifest.labels, image.size, manifest.label_type)
            served.append(found)
            problems += [f"{image.name}: {problem}" for problem in wrong[:1]]
    bad = results["bad_request"]
    if bad["status_code"] != 400 or set(json.loads(probe.unpack(bad["body"]))) != {"error"}:
        problems.append(f"a request that is not JSON: status {bad['status_code']}, expected 400 with an error")
    return served, problems


def _shape_problems(
    shape: Any, labels: Sequence[str], image_size: tuple[int, int], label_type: Callable[[int], str]
) -> list[str]:
    if not isinstance(shape, dict) or not {"confidence", "label", "points", "type"} <= set(shape):
        return [f"shape {shape!r} lacks one of confidence, label, points, type"]
    kind, label, points = shape["type"], shape["label"], shape["points"]
    if label not in labels:
        return [f"label {label!r} is not in function.yaml"]
    wanted = label_type(labels.index(label))
    # What is too much for one answer is a polygon.
    if kind != wanted and (kind, wanted) != (POLYGON, MASK):
        return [f"type {kind!r} is not {wanted!r}"]
    problems = [] if isinstance(shape["confidence"], str) else [f"confidence {shape['confidence']!r} is not a text"]
    if kind == RECTANGLE:
        return [*problems, *_rectangle_problems(points, image_size)]
    return [
        *problems,
        *_polygon_problems(points, image_size),
        *(_mask_problems(shape, image_size) if kind == MASK else ()),
    ]


def _rectangle_problems(points: Any, image_size: tuple[int, int]) -> Iterator[str]:
    if not isinstance(points, list) or len(points) != 4 or not all(map(_plain_number, points)):
        yield f"points {points!r} are not four plain numbers"
        return
    x1, y1, x2, y2 = points
    if not (0 <= x1 < x2 <= image_size[0] and 0 <= y1 < y2 <= image_size[1]):
        yield f"points {points!r} are not a box within {image_size[0]}x{image_size[1]}"


def _polygon_problems(points: Any, image_size: tuple[int, int]) -> Iterator[str]:
    if not isinstance(points, list) or len(points) < 6 or len(points) % 2 or not all(map(_plain_number, points)):
        yield f"points {reprlib.repr(points)} are not x and y of three points or more, in plain numbers"
        return
    width, height = image_size
    inside = all(0 <= x <= width and 0 <= y <= height for x, y in zip(points[::2], points[1::2], strict=True))
    if not inside or not is_simple(np.array(points, float).reshape(-1, 2)):
        yield f"points {reprlib.repr(points)} are not a polygon within {width}x{height} that does not cross itself"


def _mask_problems(shape: Any, image_size: tuple[int, int]) -> Iterator[str]:
    mask = shape.get("mask")
    if not isinstance(mask, list) or len(mask) < 5 or set(map(type, mask)) != {int}:
        yield f"mask {reprlib.repr(mask)} is not a list of whole numbers"
        return
    *pixels, left, top, right, bottom = mask
    if not (0 <= left <= right < image_size[0] and 0 <= top <= bottom < image_size[1]):
        yield f"mask: {mask[-4:]} is not a box of pixels within {image_size[0]}x{image_size[1]}"
    elif len(pixels) != (right - left + 1) * (bottom - top + 1) or set(pixels) not in ({1}, {0, 1}):
        yield f"mask: {len(pixels)} values are not a 0 or a 1 for each pixel of {mask[-4:]}, with a 1 among them"


def _plain_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not a number")
