"""PNG and APNG: the chunks of the file, of which nothing is decompressed."""

import struct

from runtime.image_headers.header import Header, refuse_count

# Encoders put 8 KB of pixels and more into a chunk.
MAX_CHUNKS = 100_000
_METADATA = (b"eXIf", b"tEXt", b"zTXt", b"iTXt")
# What Pillow decompresses of one text, and of all together.
_TEXT_BYTES, _ALL_TEXTS_BYTES = 1_048_576, 67_108_864


def read_header(data: bytes) -> Header:
    """Read the size, and how much memory compressed texts may take."""
    width, height = struct.unpack_from(">II", data, 16)
    position, texts, metadata = 8, 0, False
    for _ in range(MAX_CHUNKS):
        if position + 8 > len(data):
            break
        length, kind = struct.unpack_from(">I4s", data, position)
        texts += kind in (b"zTXt", b"iTXt", b"iCCP")
        metadata |= kind in _METADATA
        position += length + 12
    else:
        raise refuse_count("chunks in a PNG", MAX_CHUNKS)
    return Header((width, height), codec_bytes=min(texts * _TEXT_BYTES, _ALL_TEXTS_BYTES), late_exif=metadata)
