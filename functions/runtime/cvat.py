"""What CVAT sends to a detector and what it stores: the only module that knows CVAT's format.

CVAT posts `{"image": "<base64 of an image file>", "threshold": 0.5}`. It leaves out a threshold of 0, and
usually the key altogether: the model's own thresholds then decide. It expects a JSON list of shapes back;
one number in it that is not a plain finite float spoils the whole batch, so numbers are made plain here.
"""

import base64
import binascii
import json
import math
import reprlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from runtime.detector import Detection
from runtime.errors import RequestError, first_line
from runtime.function_file import LABEL_TYPE

CONTENT_TYPE = "application/json"
_EXPECTED_BODY = 'expected {"image": "<base64 of an image file>"} and, if wanted, "threshold"'


@dataclass(frozen=True)
class DetectionRequest:
    """A request of CVAT.

    Attributes:
        image: Bytes of an image file; not yet decoded.
        threshold: Score from which a detection counts; None leaves it to the model.
    """

    image: bytes
    threshold: float | None


def decode_request(event: Any) -> DetectionRequest:
    """Read the body of a nuclio event.

    nuclio parses JSON itself if the content type is exactly `application/json`; with a charset behind it,
    or any other type, the body arrives as bytes and is parsed here.

    Args:
        event: `nuclio_sdk.Event`; only its `body` is read.

    Raises:
        RequestError: The body is not what CVAT sends.
    """
    body = event.body
    if isinstance(body, memoryview):
        body = bytes(body)
    if isinstance(body, (bytes, bytearray, str)):
        body = _parse_json(body)
    if not isinstance(body, Mapping):
        raise RequestError(f"body: JSON of type {_json_type(body)}; {_EXPECTED_BODY}.")
    if "image" not in body:
        raise RequestError(f"body: no key 'image' among {reprlib.repr(list(body))}; {_EXPECTED_BODY}.")
    return DetectionRequest(_image_bytes(body["image"]), _threshold(body.get("threshold")))


def rectangle(detection: Detection) -> dict[str, Any]:
    """A detection as CVAT stores it.

    Returns:
        `points`: as `rounded_box` gives them; `confidence`: text, as in CVAT's own functions.
    """
    return {
        "confidence": f"{detection.score:.4f}",
        "label": detection.label,
        "points": rounded_box(detection.box),
        "type": LABEL_TYPE,
    }


def rounded_box(box: tuple[float, float, float, float]) -> list[float]:
    """A box as CVAT stores it: xtl, ytl, xbr, ybr in image pixels, in hundredths, never rounded to an empty one."""
    (x1, x2), (y1, y2) = (_rounded_side(*box[axis::2]) for axis in (0, 1))
    return [x1, y1, x2, y2]


def reply(body: Any) -> str:
    """JSON text of a reply; never NaN, which CVAT would store and then choke on.

    The text, not the list, goes into `context.Response`: nuclio takes a list for a batch of replies.
    """
    return json.dumps(body, ensure_ascii=False, allow_nan=False)


def _parse_json(body: bytes | bytearray | str) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        size = f"{len(body)} {'characters' if isinstance(body, str) else 'bytes'}"
        raise RequestError(f"body: {size} that are not JSON ({first_line(error)}); {_EXPECTED_BODY}.") from error


def _image_bytes(text: Any) -> bytes:
    if not isinstance(text, str):
        raise RequestError(f"image: JSON of type {_json_type(text)}; expected an image file as base64 text.")
    if text.startswith("data:"):  # what a browser's FileReader gives
        text = text.partition(",")[2]
    try:
        if text:
            return binascii.a2b_base64(text, strict_mode=True)  # as CVAT sends it: without another copy
    except (binascii.Error, ValueError):
        pass
    text = "".join(text.split())
    if not text:
        raise RequestError("image: empty text; expected an image file as base64 text.")
    text += "=" * (-len(text) % 4)  # padding that was left out loses nothing
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise RequestError(
            f"image: text that is not base64 ({first_line(error)}); expected an image file as base64 text."
        ) from error


def _threshold(value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
        raise RequestError(
            f"threshold: {reprlib.repr(value)}; expected a number in [0, 1], or none for the model's own."
        )
    return float(value)


def _rounded_side(low: float, high: float) -> tuple[float, float]:
    """Ends in hundredths; outwards where rounding would join them, which crosses no (whole) image border."""
    low_rounded, high_rounded = round(float(low), 2), round(float(high), 2)
    if low_rounded < high_rounded:
        return low_rounded, high_rounded
    return math.floor(low * 100) / 100, math.ceil(high * 100) / 100


def _json_type(value: Any) -> str:
    names = {dict: "object", list: "array", str: "text", bool: "boolean", type(None): "null"}
    return names.get(type(value), "number")
