"""The size in the sequence headers of an AV1 stream, which bounds every frame.

Reference: AV1 Bitstream & Decoding Process Specification, 5.3 (OBU) and 5.5 (sequence header).
"""

from runtime.image_headers.header import refuse_count

MAX_UNITS = 10_000
# Of one picture: its layers, and frames that are decoded and not shown. Each may cost as much as the picture itself.
MAX_FRAMES = 16
_SEQUENCE_HEADER, _FRAME_HEADER, _FRAME = 1, 3, 6


def sequence_sizes(stream: bytes) -> list[tuple[int, int]]:
    """Return (width, height) of each sequence header; what is no AV1 stream has none.

    Raises:
        ImageError: More frames than one picture has.
    """
    sizes, position, frames = [], 0, 0
    for _ in range(MAX_UNITS):
        if position >= len(stream):
            break
        head = stream[position]
        position += 2 if head & 4 else 1
        length = len(stream) - position
        if head & 2:
            length, position = _leb128(stream, position)
        kind = head >> 3 & 15
        frames += kind in (_FRAME_HEADER, _FRAME)
        if frames > MAX_FRAMES:
            raise refuse_count("frames in a picture of an AVIF", MAX_FRAMES)
        if kind == _SEQUENCE_HEADER:
            sizes.append(_largest_frame(stream[position : position + min(length, 256)]))
        position += length
    else:
        raise refuse_count("units in a picture of an AVIF", MAX_UNITS)
    return sizes


def _leb128(stream: bytes, position: int) -> tuple[int, int]:
    value = 0
    for place, byte in enumerate(stream[position : position + 8]):
        value |= (byte & 127) << 7 * place
        if byte < 128:
            return value, position + place + 1
    return len(stream), position


class _Bits:
    """Numbers of any length, the highest bit first; zeros behind the end."""

    def __init__(self, data: bytes) -> None:
        self._value, self._left = int.from_bytes(data, "big"), 8 * len(data)

    def __call__(self, count: int) -> int:
        self._left -= count
        return (self._value >> self._left if self._left >= 0 else 0) & ((1 << count) - 1)

    def skip_uvlc(self) -> None:
        zeros = 0
        while zeros < 32 and self._left > 0 and not self(1):
            zeros += 1
        self(zeros)


def _largest_frame(content: bytes) -> tuple[int, int]:
    bits = _Bits(content)
    bits(4)  # profile, still picture
    if bits(1):  # the short header of a still picture
        bits(5)
    else:
        model_bits = 0
        if bits(1):  # timing
            bits(64)
            if bits(1):
                bits.skip_uvlc()
            if bits(1):  # decoder model
                model_bits = bits(5) + 1
                bits(42)
        delays = bits(1)
        for _ in range(bits(5) + 1):
            bits(12)
            if bits(5) > 7:
                bits(1)
            if model_bits and bits(1):
                bits(2 * model_bits + 1)
            if delays and bits(1):
                bits(4)
    width_bits, height_bits = bits(4) + 1, bits(4) + 1
    return bits(width_bits) + 1, bits(height_bits) + 1
