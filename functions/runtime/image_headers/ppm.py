"""PBM, PGM, PPM and PFM: numbers in text, or of an odd range, are read by slow decoders of Pillow's in Python."""

import re

from runtime.errors import ImageError
from runtime.image_headers.header import Header

SIGNATURES = (b"P1", b"P2", b"P3", b"P4", b"P5", b"P6", b"Pf")
MAX_SLOW_SAMPLES = 2_000_000
MAX_SLOW_BYTES = 8_000_000
MAX_COMMENTS = 100
_GAP = rb"(?:\s|#[^\r\n]*[\r\n])+"
_HEADER = re.compile(rb"P([1-6f])" + _GAP + rb"(\d{1,10})" + _GAP + rb"(\d{1,10})(?:" + _GAP + rb"(\d{1,10})\s)?")
_HEADER_BYTES = 4096


def read_header(data: bytes) -> Header:
    """Read the size."""
    match = _HEADER.match(data[:_HEADER_BYTES])
    if match is None:
        raise ValueError("no size")
    kind, width, height, largest = match[1], int(match[2]), int(match[3]), match[4]
    samples = width * height * (3 if kind in b"36" else 1)
    text = kind in b"123"
    raw = kind in b"4f" or (largest == b"65535" and kind == b"5") or largest == b"255"
    if (text or not raw) and (
        samples > MAX_SLOW_SAMPLES or len(data) > MAX_SLOW_BYTES or (text and data.count(b"#") > MAX_COMMENTS)
    ):
        raise ImageError(
            f"image: PPM of {width}x{height} pixels as text or of an unusual range of values; expected at most "
            f"{MAX_SLOW_SAMPLES} numbers. Save it as PNG."
        )
    return Header((width, height), codec_bytes=0 if raw and not text else 8 * samples)
