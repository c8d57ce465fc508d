"""Replies of a function, judged as CVAT would: it stores nearly anything, and chokes on it later."""

import json
import math
from collections.abc import Sequence
from typing import Any

from builder.probe import Reply
from runtime.cvat import CONTENT_TYPE
from runtime.detector import Detection
from runtime.function_file import LABEL_TYPE


def parse_reply(
    response: Reply, labels: Sequence[str], image_size: tuple[int, int]
) -> tuple[list[Detection], list[str]]:
    """Read a reply back.

    Args:
        response: What nuclio would send: status_code, content_type, body.
        labels: Names of the classes as `function.yaml` has them.
        image_size: (width, height).

    Returns:
        The detections, and a phrase for each thing that is wrong with the reply.
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
