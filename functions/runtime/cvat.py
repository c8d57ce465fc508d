"""What CVAT sends to a detector and what it stores: the only module that knows CVAT's format.

CVAT posts `{"image": "<base64 of an image file>", "threshold": 0.5}`. It leaves out a threshold of 0, and
usually the key altogether: the model's own thresholds then decide. It expects a JSON list of shapes back;
one number in it that is not a plain finite float spoils the whole batch, so numbers are made plain here.
"""

import base64
import binascii
import json
import math
import re
import reprlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from runtime.detector import Detection
from runtime.errors import RequestError, first_line
from runtime.image_limits import MAX_FILE_BYTES
from runtime.manifest import MASK, POLYGON, RECTANGLE
from runtime.masks import InstanceMask
from runtime.polygons import polygon

CONTENT_TYPE = "application/json"
# The largest image as base64, and room for line ends and other keys.
_MAX_BODY = MAX_FILE_BYTES // 3 * 4 + 4_000_000
# A request has two keys, and some have a region of interest: a list of numbers.
_MAX_VALUES = 200_000
# Bytes of a body in which other letters than ASCII may stand: each then takes up to four bytes.
_MAX_WIDE = 16_000_000
# Removed without splitting the text, which would make an object of each piece.
_SPACES = b" \t\n\r\v\f\x1c\x1d\x1e\x1f"
_WIDE_SPACES = (
    "\x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
)
# As people write a number; float() would also take "1_0", "infinity" and digits of other scripts.
_NUMBER = re.compile(r"\s{0,9}[+-]?(?:[0-9]{1,40}\.?[0-9]{0,40}|\.[0-9]{1,40})(?:[eE][+-]?[0-9]{1,3})?\s{0,9}")
# CVAT takes a mask as a number for each pixel of its box. So many in one answer are 40 MB of text, and five times that
# in CVAT; the masks of further objects are left to their polygons.
MAX_MASK_PIXELS = 20_000_000
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
        event: `nuclio_sdk.Event`; only its `body` is read, and removed.

    Raises:
        RequestError: The body is not what CVAT sends.
    """
    # Let go of: a large photo lies here as JSON, as text and as bytes, and its pixels need the room.
    body, event.body = event.body, None
    if isinstance(body, memoryview):
        body = bytes(body)
    if isinstance(body, (bytes, bytearray, str)):
        body = _parse_json(body)
    if not isinstance(body, Mapping):
        raise RequestError(f"body: JSON of type {_json_type(body)}; {_EXPECTED_BODY}.")
    if "image" not in body:
        raise RequestError(f"body: no key 'image' among {reprlib.repr(list(body))}; {_EXPECTED_BODY}.")
    return DetectionRequest(_image_bytes(body["image"]), _threshold(body.get("threshold")))


def shapes(detections: Sequence[Detection], label_type: Callable[[int], str]) -> list[dict[str, Any]]:
    """Return detections as CVAT stores them, each as the type of its label wants it.

    Args:
        detections: Best first.
        label_type: Of a class id, as `Manifest.label_type`. "mask": CVAT stores the mask, or the polygon where it was
            asked to convert masks to polygons. "polygon": always the polygon.

    Returns:
        As `rectangle`, `polygon_shape` or `mask_shape` give them, for `reply`.
    """
    as_shape = {RECTANGLE: rectangle, POLYGON: polygon_shape, MASK: mask_shape}
    kinds = shape_types(detections, label_type)
    return [as_shape[kind](detection) for detection, kind in zip(detections, kinds, strict=True)]


def shape_types(detections: Sequence[Detection], label_type: Callable[[int], str]) -> list[str]:
    """Return the type of each shape of an answer: its label's, unless there is no mask, or too many for one answer.

    Arguments are those of `shapes`.
    """
    kinds, pixels = [], 0
    for detection in detections:
        kind, mask = label_type(detection.class_id), detection.mask
        if mask is None:
            kind = RECTANGLE
        elif kind == MASK:
            pixels += mask.width * mask.height
            kind = MASK if pixels <= MAX_MASK_PIXELS else POLYGON
        kinds.append(kind)
    return kinds


def polygon_shape(detection: Detection) -> dict[str, Any]:
    """A detection that has a mask as CVAT's polygon: `points` of the outline of its largest part, x, y, x, y, …."""
    assert detection.mask is not None
    shape = rectangle(detection)
    return {**shape, "points": polygon(detection.mask).reshape(-1).tolist(), "type": POLYGON}


def mask_shape(detection: Detection) -> dict[str, Any]:
    """A detection that has a mask as CVAT's mask, and as a polygon: CVAT takes what it was asked for.

    Returns:
        `mask`: the `InstanceMask`, which `reply` writes as CVAT reads it; the other keys as in `polygon_shape`.
    """
    return {**polygon_shape(detection), "mask": detection.mask, "type": MASK}


def mask_points(mask: InstanceMask) -> list[int]:
    """A mask as CVAT stores it and takes it over its API: run lengths, then left, top, right and bottom, inclusive."""
    return [*mask.runs.tolist(), *_inclusive(mask)]


def _inclusive(mask: InstanceMask) -> list[int]:
    return [mask.left, mask.top, mask.left + mask.width - 1, mask.top + mask.height - 1]


def rectangle(detection: Detection) -> dict[str, Any]:
    """A detection as CVAT stores it.

    Returns:
        `points`: as `rounded_box` gives them; `confidence`: text, as in CVAT's own functions.
    """
    return {
        "confidence": f"{detection.score:.4f}",
        "label": detection.label,
        "points": rounded_box(detection.box),
        "type": RECTANGLE,
    }


def rounded_box(box: tuple[float, float, float, float]) -> list[float]:
    """A box as CVAT stores it: xtl, ytl, xbr, ybr in image pixels, in hundredths, never rounded to an empty one."""
    (x1, x2), (y1, y2) = (_rounded_side(*box[axis::2]) for axis in (0, 1))
    return [x1, y1, x2, y2]


def reply(body: Any) -> str:
    """JSON text of a reply; never NaN, which CVAT would store and then choke on.

    The text, not the list, goes into `context.Response`: nuclio takes a list for a batch of replies.

    Args:
        body: A list from `shapes`, or plain JSON.
    """
    if isinstance(body, list):
        return f"[{', '.join(map(_text, body))}]"
    return _text(body)


def _text(value: Any) -> str:
    mask = value.get("mask") if isinstance(value, dict) else None
    if not isinstance(mask, InstanceMask):
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    others = _text({key: other for key, other in value.items() if key != "mask"})
    # A 0 or a 1 for each pixel of the box, row by row, then the box, both ends inclusive: there may be millions.
    digits = np.full((mask.width * mask.height, 2), ord(","), np.uint8)
    digits[:, 0] = mask.bitmap.reshape(-1)
    digits[:, 0] += ord("0")
    box = ",".join(map(str, _inclusive(mask)))
    return f'{others[:-1]}, "mask": [{digits.tobytes().decode("ascii")}{box}]}}'


def _parse_json(body: bytes | bytearray | str) -> Any:
    _check_json(body)
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        size = f"{len(body)} {'characters' if isinstance(body, str) else 'bytes'}"
        raise RequestError(f"body: {size} that are not JSON ({first_line(error)}); {_EXPECTED_BODY}.") from error


def _check_json(body: bytes | bytearray | str) -> None:
    if len(body) > _MAX_BODY:
        raise RequestError(
            f"body: {len(body)} bytes; expected at most {_MAX_BODY}. Send a smaller image, or send it as JPEG."
        )
    _check_values(body)


def _check_values(body: bytes | bytearray | str) -> None:
    """Refuse what takes many times its own size once parsed: millions of values, or long texts of wide letters."""
    if isinstance(body, str):
        values, escaped = sum(body.count(mark) for mark in ",[{"), "\\u" in body
    else:
        values, escaped = sum(body.count(mark) for mark in (b",", b"[", b"{")), b"\\u" in body
    if values > _MAX_VALUES:
        raise RequestError(f"body: JSON of more than {_MAX_VALUES} values; {_EXPECTED_BODY}.")
    if len(body) > _MAX_WIDE and (escaped or not body.isascii()):
        raise RequestError(f"body: {len(body)} bytes with other letters than ASCII; {_EXPECTED_BODY}.")


def _image_bytes(value: Any) -> bytes:
    if not isinstance(value, str):
        raise RequestError(f"image: JSON of type {_json_type(value)}; expected an image file as base64 text.")
    text: Any = value
    if text.startswith("data:"):  # what a browser's FileReader gives
        text = text.partition(",")[2]
    try:
        if text:
            return binascii.a2b_base64(text, strict_mode=True)  # as CVAT sends it: without another copy
    except (binascii.Error, ValueError):
        pass
    for space in _WIDE_SPACES:
        text = text.replace(space, "")
    if text.isascii():
        text = text.encode("ascii").translate(None, _SPACES)
        text += b"=" * (-len(text) % 4)  # padding that was left out loses nothing
    if not text:
        raise RequestError("image: empty text; expected an image file as base64 text.")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise RequestError(
            f"image: text that is not base64 ({first_line(error)}); expected an image file as base64 text."
        ) from error


def _threshold(value: Any) -> float | None:
    """Return a number; as text it is taken too, since functions of CVAT's own take it."""
    if value is None:
        return None
    number = value
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        number = float(value)
    if isinstance(number, bool) or not isinstance(number, (int, float)) or not 0 <= number <= 1:
        raise RequestError(
            f"threshold: {reprlib.repr(value)}; expected a number in [0, 1], or none for the model's own."
        )
    return float(number)


def _rounded_side(low: float, high: float) -> tuple[float, float]:
    """Ends in hundredths; outwards where rounding would join them, which crosses no (whole) image border."""
    low_rounded, high_rounded = round(float(low), 2), round(float(high), 2)
    if low_rounded < high_rounded:
        return low_rounded, high_rounded
    return math.floor(low * 100) / 100, math.ceil(high * 100) / 100


def _json_type(value: Any) -> str:
    names = {dict: "object", list: "array", str: "text", bool: "boolean", type(None): "null"}
    return names.get(type(value), "number")
