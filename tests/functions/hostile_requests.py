"""Requests that a function gets from the wide world: each with the answer that it has to give.

`SAME` are odd but right and get the answer of the plain request; `OTHER` get some list; `REFUSED` get status 400
and a sentence that holds the words. A body is made when it is needed: some are large.
"""

import base64
import json
import math
import struct
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

from PIL import Image

from tests.functions import image_files as files
from tests.functions.image_files import encode, picture
from tests.functions.worker import request

PNG = encode(picture(), "PNG")
BASE64 = base64.b64encode(PNG).decode("ascii")
PLAIN = request(PNG, threshold=0.5)
NO_JSON, NO_BASE64 = "that are not JSON", "image: text that is not base64"
NO_NUMBER = "expected a number in [0, 1], or none for the model's own."
ONLY_ASCII = "(string argument should contain only ASCII characters)"
AS_BYTES = {"content_type": "application/json; charset=utf-8"}  # nuclio leaves it to the function to parse these
UNKNOWN, BROKEN = "bytes that no image decoder knows", "expected a whole image. Send the file again."
NO_PIXELS, TOO_MUCH = (
    "pixels; expected at least one. Send another image.",
    "MB to decode; expected at most 275 MB. Send it",
)
TOO_LARGE, SPLIT = "expected at most 178000000 pixels. Send a smaller image.", len(BASE64) // 2


@dataclass(frozen=True)
class Case:
    """One request.

    Attributes:
        body: Makes its bytes.
        words: What the sentence holds if it is refused.
        head: Content type, or `as` (see `wrapper.py`).
    """

    body: Callable[[], bytes]
    words: str = ""
    head: dict[str, Any] = field(default_factory=dict)


def _typed(content_type: str | None) -> Case:
    return Case(lambda: PLAIN, head={"content_type": content_type})


def _text(text: str) -> Callable[[], bytes]:
    return lambda: json.dumps({"image": text, "threshold": 0.5}).encode("ascii")


def _image(make: Callable[[], bytes]) -> Callable[[], bytes]:
    return lambda: request(make(), threshold=0.5)


def _threshold(text: str) -> Callable[[], bytes]:
    return lambda: f'{{"image": "{BASE64}", "threshold": {text}}}'.encode("utf-8", "surrogatepass")


def _unpadded() -> str:
    missing = (1 - len(PNG)) % 3  # so many more bytes, and base64 ends in two signs of equality
    return base64.b64encode(PNG + b"\0" * missing).decode("ascii").rstrip("=")


SAME = {
    "plain": Case(lambda: PLAIN),
    "content type with charset": _typed("application/json; charset=utf-8"),
    "content type in capitals": _typed("APPLICATION/JSON"),
    "content type of a form": _typed("application/x-www-form-urlencoded"),
    "content type of text": _typed("text/plain"),
    "content type of an image": _typed("image/png"),
    "no content type": _typed(""),
    "body as text": Case(lambda: PLAIN, head={"as": "text"}),
    "body as bytearray": Case(lambda: PLAIN, head={"as": "bytearray"}),
    "body as memoryview": Case(lambda: PLAIN, head={"as": "memoryview"}),
    "byte order mark": Case(lambda: b"\xef\xbb\xbf" + PLAIN),
    "byte order mark and charset": Case(lambda: b"\xef\xbb\xbf" + PLAIN, head={"content_type": "application/json;"}),
    "UTF-16": Case(lambda: PLAIN.decode().encode("utf-16")),
    "UTF-16, big end first, no mark": Case(lambda: PLAIN.decode().encode("utf-16-be")),
    "UTF-32": Case(lambda: PLAIN.decode().encode("utf-32")),
    "escaped letters": Case(lambda: PLAIN.replace(b'"image"', b'"\\u0069mage"')),
    "JSON in quotes": Case(lambda: json.dumps(PLAIN.decode()).encode()),
    "spaces around": Case(lambda: b" \r\n\t" + PLAIN + b"\n" * 100),
    "keys that mean nothing": Case(lambda: PLAIN[:-1] + b', "roi": [1, 2], "\\u0000": null, "\\ud800": "\\udfff"}'),
    "a key twice, the last right": Case(lambda: b'{"image": 7, ' + PLAIN[1:]),
    "data URL": Case(_text("data:image/png;base64," + BASE64)),
    "data URL with parameters": Case(_text("data:image/png;name=a.png;base64," + BASE64)),
    "base64 in lines": Case(_text("\r\n".join(BASE64[at : at + 76] for at in range(0, len(BASE64), 76)))),
    "base64 with spaces": Case(_text(f"  {BASE64[:SPLIT]} \t\u2003{BASE64[SPLIT:]}\n")),
    "base64 without padding": Case(_text(_unpadded())),
    "threshold as text": Case(_threshold('"0.5"')),
    "threshold as text with spaces and exponent": Case(_threshold('" +5.0e-1 "')),
    "threshold as exponent": Case(_threshold("5E-1")),
    "BMP": Case(_image(lambda: encode(picture(), "BMP"))),
    "TIFF": Case(_image(lambda: encode(picture(), "TIFF", compression="tiff_lzw"))),
    "WebP without loss": Case(_image(lambda: encode(picture(), "WEBP", lossless=True))),
    "JPEG 2000 without loss": Case(_image(lambda: encode(picture(), "JPEG2000", irreversible=False))),
    "PPM": Case(_image(lambda: encode(picture(), "PPM"))),
    "RGBA, opaque": Case(_image(lambda: encode(picture(mode="RGBA"), "PNG"))),
    "interlaced rows promised, none used": Case(_image(lambda: encode(picture(), "PNG", compress_level=0))),
    "first of several PNG frames": Case(_image(lambda: files.pages("PNG"))),
    "first of several TIFF pages": Case(_image(lambda: files.pages("TIFF"))),
    "orientation 0": Case(_image(lambda: files.with_orientation("PNG", 0))),
    "orientation 9": Case(_image(lambda: files.with_orientation("PNG", 9))),
    "broken EXIF": Case(_image(lambda: encode(picture(), "PNG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff"))),
    "EXIF that ends early": Case(_image(lambda: encode(picture(), "PNG", exif=b"II*\0\x08\0\0\0\xff\xff\x12\x01"))),
    "broken ICC profile": Case(_image(lambda: encode(picture(), "PNG", icc_profile=b"no profile"))),
    "a ZIP behind the image": Case(_image(lambda: PNG + _zip())),
    "a script behind the image": Case(_image(lambda: PNG + b"<script>alert(1)</script><?php phpinfo();")),
}

OTHER = {
    "no threshold": Case(lambda: request(PNG)),
    "null as threshold": Case(_threshold("null")),
    "threshold 0": Case(_threshold("0")),
    "threshold 1": Case(_threshold("1")),
    "threshold -0.0": Case(_threshold("-0.0")),
    "threshold of the smallest number": Case(_threshold("5e-324")),
    "threshold of a thousand digits": Case(_threshold("0." + "3" * 1000)),
    "one pixel": Case(_image(lambda: encode(picture(1, 1), "PNG"))),
    "one pixel, JPEG": Case(_image(lambda: encode(picture(1, 1), "JPEG"))),
    "1x65535": Case(_image(lambda: encode(picture(1, 65535), "PNG"))),
    "65535x1": Case(_image(lambda: encode(picture(65535, 1), "PNG"))),
    "65500x1, JPEG": Case(_image(lambda: encode(picture(65500, 1), "JPEG"))),
    "JPEG": Case(_image(lambda: encode(picture(), "JPEG", quality=90))),
    "progressive JPEG": Case(_image(lambda: encode(picture(), "JPEG", progressive=True))),
    "JPEG with restart markers": Case(_image(lambda: encode(picture(), "JPEG", restart_marker_blocks=1))),
    "JPEG with broken EXIF": Case(_image(lambda: encode(picture(), "JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff"))),
    "JPEG with a broken ICC profile": Case(_image(lambda: encode(picture(), "JPEG", icc_profile=b"\0" * 200))),
    "JPEG that says it is 20000x8000": Case(_image(lambda: files.jpeg_of_size(20000, 8000))),
    "MPO of three pictures": Case(_image(lambda: files.pages("MPO"))),
    "CMYK JPEG": Case(_image(lambda: encode(picture(mode="CMYK"), "JPEG"))),
    "CMYK JPEG by Adobe": Case(_image(lambda: files.cmyk_jpeg(0))),
    "YCCK JPEG by Adobe": Case(_image(lambda: files.cmyk_jpeg(2))),
    "CMYK TIFF": Case(_image(lambda: encode(picture(mode="CMYK"), "TIFF"))),
    "Lab TIFF": Case(_image(lambda: encode(Image.new("LAB", (9, 9)), "TIFF"))),
    "grey": Case(_image(lambda: encode(picture(mode="L"), "PNG"))),
    "grey with transparency": Case(_image(lambda: encode(picture(mode="LA"), "PNG"))),
    "one bit": Case(_image(lambda: encode(picture(mode="1"), "PNG"))),
    "one bit, fax": Case(_image(lambda: encode(picture(mode="1"), "TIFF", compression="group4"))),
    "JPEG by arithmetic": Case(_image(lambda: _jpeg_with(1, 0xC9))),
    "palette": Case(_image(lambda: encode(picture(mode="P"), "PNG"))),
    "palette with a transparent colour": Case(_image(lambda: encode(picture(mode="P"), "PNG", transparency=0))),
    "palette with transparencies": Case(
        _image(lambda: encode(picture(mode="P"), "PNG", transparency=bytes(range(256))))
    ),
    "16 bits, PNG": Case(_image(lambda: encode(picture(mode="I;16"), "PNG"))),
    "16 bits, TIFF": Case(_image(lambda: encode(picture(mode="I;16"), "TIFF"))),
    "32 bits, TIFF": Case(_image(lambda: encode(picture(mode="I"), "TIFF"))),
    "16 bits and four channels, PNG": Case(_image(lambda: files.black_png(9, 9, depth=16, colour=6, samples=4))),
    "floating point, TIFF": Case(_image(lambda: files.float_tiff(0.0, 0.5, 1.0))),
    "no numbers, TIFF": Case(_image(lambda: files.float_tiff(math.nan, math.inf, -math.inf, 3e38))),
    "floating point, PFM": Case(_image(lambda: b"Pf\n3 1\n-1.0\n" + struct.pack("<3f", math.nan, 1, 1e38))),
    "first of several GIF frames": Case(_image(lambda: files.pages("GIF"))),
    "first of several WebP frames": Case(_image(lambda: files.pages("WEBP"))),
    "TIFF in two directions": Case(_image(lambda: files.with_orientation("TIFF", 6))),
    "TIFF that is its own child": Case(_image(lambda: files.tiff(8, 8, ((34665, 4, 1, 72),)))),
    "TIFF with a text of 4 GB": Case(_image(lambda: files.tiff(8, 8, ((700, 1, 0xFFFFFFF0, 8),)))),
    "PNG with a text just small enough": Case(_image(lambda: files.with_text(b"zTXt", 900_000))),
    "13300x13300 of black in 170 KB": Case(_image(lambda: files.black_png(13300, 13300))),
    "5000x5000 of 16 bits": Case(_image(lambda: files.black_png(5000, 5000, depth=16))),
    "5000x5000 of nothing, with transparency": Case(
        _image(lambda: files.black_png(5000, 5000, colour=6, samples=4)),
    ),
    "3000x3000 of black, a hundred scans": Case(_image(lambda: files.many_scans(3000, 90))),
}
for _value in range(2, 9):
    OTHER[f"orientation {_value}"] = Case(_image(lambda value=_value: files.with_orientation("JPEG", value)))

REFUSED = {
    "no body": Case(lambda: b"", "body: JSON of type null; expected {", head={"as": "none"}),
    "empty body": Case(lambda: b"", "body: 0 bytes that are not JSON (Expecting value: line 1 column 1 (char 0))"),
    "empty text": Case(lambda: b"", "body: 0 characters that are not JSON", head={"as": "text"}),
    "spaces": Case(lambda: b" \n ", NO_JSON),
    "a lone byte order mark": Case(lambda: b"\xef\xbb\xbf", NO_JSON),
    "the image itself": Case(lambda: PNG, NO_JSON, head={"content_type": "image/png"}),
    "the image itself, called JSON": Case(lambda: PNG, NO_JSON),
    "a form": Case(lambda: b"image=abc&threshold=1", NO_JSON),
    "a form of parts": Case(lambda: b'--x\r\nContent-Disposition: form-data; name="image"\r\n\r\n\r\n--x--', NO_JSON),
    "XML": Case(lambda: b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "c">]><image>&b;</image>', NO_JSON),
    "YAML": Case(lambda: b"image: !!python/object/apply:os.system [ls]", NO_JSON),
    "a pickle": Case(lambda: b"\x80\x04\x95\x0f\0\0\0\0\0\0\0\x8c\x02os\x94.", NO_JSON),
    "Latin-1": Case(lambda: '{"image": "Größe"}'.encode("latin-1"), "codec can't decode byte 0xf6"),
    "half of UTF-16": Case(lambda: PLAIN.decode().encode("utf-16")[:101], NO_JSON),
    "JSON cut short": Case(lambda: PLAIN[:-2], NO_JSON),
    "JSON twice": Case(lambda: PLAIN + PLAIN, "Extra data"),
    "JSON with single quotes": Case(lambda: b"{'image': ''}", NO_JSON),
    "100000 open brackets": Case(lambda: b"[" * 100_000, "maximum recursion depth"),
    "100000 brackets": Case(lambda: b"[" * 100_000 + b"]" * 100_000, "maximum recursion depth"),
    "100000 objects": Case(lambda: b'{"image":' * 100_000 + b"1" + b"}" * 100_000, "maximum recursion depth"),
    "900 brackets as image": Case(lambda: b'{"image":' + b"[" * 900 + b"]" * 900 + b"}", "image: JSON of type array"),
    "a list": Case(lambda: b"[%s]" % PLAIN, "body: JSON of type array"),
    "an empty list": Case(lambda: b"[]", "body: JSON of type array"),
    "null": Case(lambda: b"null", "body: JSON of type null"),
    "true": Case(lambda: b"true", "body: JSON of type boolean"),
    "a number": Case(lambda: b"-1e999", "body: JSON of type number"),
    "NaN": Case(lambda: b"NaN", "body: JSON of type number"),
    "a number of 10000 digits": Case(lambda: b"1" * 10_000, "body: 10000 bytes that are not JSON (Exceeds the limit"),
    "an empty object": Case(lambda: b"{}", "body: no key 'image' among []; expected {"),
    "another key": Case(lambda: b'{"Image": ""}', "body: no key 'image' among ['Image']; expected {"),
    "a key of a million letters": Case(lambda: b'{"%s": 1}' % (b"k" * 1_000_000), "no key 'image' among ['kkk"),
    "100000 keys": Case(
        lambda: json.dumps(dict.fromkeys(map(str, range(100_000)))).encode(), "no key 'image' among ['0"
    ),
    "a key of half a letter": Case(lambda: b'{"\\ud800\\n": 1}', "no key 'image' among ['\\ud800\\n']"),
    "a key twice, the last wrong": Case(lambda: PLAIN[:-1] + b', "image": null}', "image: JSON of type null"),
    "image as number": Case(lambda: b'{"image": 1e400}', "image: JSON of type number"),
    "image as list of bytes": Case(lambda: b'{"image": [137, 80, 78, 71]}', "image: JSON of type array"),
    "image as object": Case(lambda: b'{"image": {"url": "http://127.0.0.1/"}}', "image: JSON of type object"),
    "image as boolean": Case(lambda: b'{"image": true}', "image: JSON of type boolean"),
    "no image in the text": Case(_text(""), "image: empty text"),
    "spaces as image": Case(_text(" \n\t\u2003"), "image: empty text"),
    "data URL without data": Case(_text("data:image/png;base64,"), "image: empty text"),
    "data URL in percent": Case(_text("data:image/svg+xml,%3Csvg%3E"), NO_BASE64),
    "an address": Case(_text("http://127.0.0.1/a.png"), NO_BASE64),
    "a path": Case(_text("file:///etc/passwd"), NO_BASE64),
    "a path in a data URL": Case(_text("data:,/etc/passwd"), UNKNOWN),
    "URL-safe base64": Case(_text("_-" + BASE64[2:]), NO_BASE64),
    "base64 with one letter too many": Case(_text("A" * 401), NO_BASE64),
    "base64 padded in the middle": Case(_text(BASE64[:8] + "====" + BASE64[8:]), NO_BASE64),
    "base64 of padding": Case(_text("===="), NO_BASE64),
    "base64 with a NUL": Case(_text(BASE64[:100] + "\0" + BASE64[100:]), NO_BASE64),
    "base64 with an umlaut": Case(_text("Größe"), ONLY_ASCII),
    "base64 with half a letter": Case(_text("\ud83d"), ONLY_ASCII),
    "base64 with an emoji": Case(_text(BASE64 + "\U0001f600"), ONLY_ASCII),
    "hexadecimal": Case(_text(PNG.hex()[:400]), UNKNOWN),
    "base64 twice": Case(_text(base64.b64encode(BASE64.encode()).decode()), UNKNOWN),
    "threshold above 1": Case(_threshold("1.0000001"), "threshold: 1.0000001; " + NO_NUMBER),
    "threshold below 0": Case(_threshold("-5e-324"), "threshold: -5e-324; " + NO_NUMBER),
    "threshold in percent": Case(_threshold("50"), "threshold: 50; " + NO_NUMBER),
    "threshold as no text of a number": Case(_threshold('"half"'), "threshold: 'half'; " + NO_NUMBER),
    "threshold as empty text": Case(_threshold('""'), "threshold: ''; " + NO_NUMBER),
    "threshold as text NaN": Case(_threshold('"nan"'), "threshold: 'nan'; " + NO_NUMBER),
    "threshold as text 1e400": Case(_threshold('"1e400"'), "threshold: '1e400'; " + NO_NUMBER),
    "threshold as text above 1": Case(_threshold('"1.5"'), "threshold: '1.5'; " + NO_NUMBER),
    "threshold as text with underscores": Case(_threshold('"0_1"'), "threshold: '0_1'; " + NO_NUMBER),
    "threshold as text in Arabic digits": Case(_threshold('"\u0660.\u0665"'), "threshold: '"),
    "threshold as text of a million digits": Case(_threshold('"0.%s"' % ("3" * 1_000_000)), "threshold: '0.333"),
    "a million values": Case(lambda: b"[%s1]" % (b"1," * 1_000_000), "body: JSON of more than 200000 values", AS_BYTES),
    "a million lists": Case(
        lambda: b'{"image": [%s[]]}' % (b"[]," * 1_000_000), "body: JSON of more than 200000", AS_BYTES
    ),
    "20 MB and an emoji": Case(
        lambda: b'{"image": "%s\\ud83d\\ude00"}' % (b"A" * 20_000_000), "bytes with other letters than ASCII", AS_BYTES
    ),
    "threshold as boolean": Case(_threshold("true"), "threshold: True; " + NO_NUMBER),
    "threshold as list": Case(_threshold("[0.5]"), "threshold: [0.5]; " + NO_NUMBER),
    "threshold as object": Case(_threshold('{"a": {"b": {"c": []}}}'), "threshold: {'a': {'b':"),
    "threshold NaN": Case(_threshold("NaN"), "threshold: nan; " + NO_NUMBER),
    "threshold Infinity": Case(_threshold("Infinity"), "threshold: inf; " + NO_NUMBER),
    "threshold -Infinity": Case(_threshold("-Infinity"), "threshold: -inf; " + NO_NUMBER),
    "threshold 1e999": Case(_threshold("1e999"), "threshold: inf; " + NO_NUMBER),
    "threshold of 4000 digits": Case(_threshold("9" * 4000), "threshold: 99999999"),
    "threshold of 5000 digits": Case(_threshold("9" * 5000), "that are not JSON (Exceeds the limit"),
    "threshold of half a letter": Case(_threshold('"\\udc00"'), "threshold: '\\udc00'; " + NO_NUMBER),
    "threshold in lines": Case(_threshold('"a\\nb\\u2028c"'), "threshold: 'a\\nb\\u2028c'; " + NO_NUMBER),
    "one byte": Case(_image(lambda: b"\0"), "image: 1 " + UNKNOWN),
    "text": Case(_image(lambda: b"no image"), UNKNOWN),
    "HTML": Case(_image(lambda: b"<html><body>404 Not Found</body></html>"), UNKNOWN),
    "SVG": Case(_image(lambda: b'<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"/>'), UNKNOWN),
    "PDF": Case(_image(lambda: b"%PDF-1.7\n%%EOF"), UNKNOWN),
    "EPS": Case(
        _image(lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n(a) run\nshowpage\n"), UNKNOWN
    ),
    "WMF": Case(_image(lambda: b"\xd7\xcd\xc6\x9a\0\0" + struct.pack("<hhhhH", 0, 0, 9, 9, 96) + b"\0" * 20), UNKNOWN),
    "FITS": Case(_image(lambda: b"SIMPLE  =                    T".ljust(2880)), UNKNOWN),
    "HDF5": Case(_image(lambda: b"\x89HDF\r\n\x1a\n" + b"\0" * 100), UNKNOWN),
    "GRIB": Case(_image(lambda: b"GRIB\0\0\0\1" + b"\0" * 100), UNKNOWN),
    "PSD": Case(_image(lambda: b"8BPS\0\1" + b"\0" * 6 + struct.pack(">HIIHH", 3, 9, 9, 8, 3) + b"\0" * 900), UNKNOWN),
    "ICO": Case(_image(lambda: encode(picture(16, 16), "ICO")), UNKNOWN),
    "TGA": Case(_image(lambda: encode(picture(), "TGA")), UNKNOWN),
    "XBM": Case(_image(lambda: encode(picture(mode="1"), "XBM")), UNKNOWN),
    "MP4": Case(_image(lambda: b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + b"\0" * 100), UNKNOWN),
    "HEIC": Case(_image(lambda: b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\0" * 100), UNKNOWN),
    "ZIP": Case(_image(lambda: _zip()), UNKNOWN),
    "gzip": Case(_image(lambda: b"\x1f\x8b\x08" + b"\0" * 30), UNKNOWN),
    "zeros": Case(_image(lambda: b"\0" * 100_000), UNKNOWN),
    "PNG of 0x0": Case(_image(lambda: files.png(0, 0)), NO_PIXELS),
    "PNG of 0x5": Case(_image(lambda: files.png(0, 5)), NO_PIXELS),
    "PNG of 20000x20000": Case(_image(lambda: files.png(20_000, 20_000)), TOO_LARGE),
    "PNG of 2147483647x2147483647": Case(_image(lambda: files.png(2**31 - 1, 2**31 - 1)), TOO_LARGE),
    "PNG of 13343x13343 in name": Case(_image(lambda: files.png(13_342, 13_342)), TOO_LARGE),
    "PNG that promises 13000x13000": Case(_image(lambda: files.png(13_000, 13_000, rows=b"\0" * 99)), TOO_MUCH),
    "PNG with a wrong checksum": Case(_image(lambda: files.flipped(PNG, 30)), UNKNOWN),
    "PNG with a wrong pixel and checksum": Case(_image(lambda: files.flipped(PNG, len(PNG) // 2)), BROKEN),
    "PNG of colour type 7": Case(_image(lambda: files.png(4, 4, colour=7)), UNKNOWN),
    "PNG with a zTXt bomb": Case(_image(lambda: files.with_text(b"zTXt", 30_000_000)), UNKNOWN),
    "PNG with an iTXt bomb": Case(_image(lambda: files.with_text(b"iTXt", 30_000_000)), UNKNOWN),
    "PNG without pixels": Case(_image(lambda: files.png(8, 8)), BROKEN),
    "JPEG of 65500x65500": Case(_image(lambda: files.jpeg_of_size(65_500, 65_500)), TOO_LARGE),
    "JPEG without height": Case(_image(lambda: files.jpeg_of_size(96, 0)), NO_PIXELS),
    "JPEG with 1000 scans": Case(_image(lambda: files.many_scans(64, 1000)), "expected at most 100. Save"),
    "JPEG of markers": Case(
        _image(lambda: b"\xff\xd8" + b"\xff\xe0\0\2" * 50_000 + b"\xff\xd9"),
        "more than 4096 segments before",
    ),
    "JPEG of 12 bits": Case(_image(lambda: _jpeg_with(4, 12)), UNKNOWN),
    "JPEG without loss": Case(_image(lambda: _jpeg_with(1, 0xC3)), BROKEN),
    "JPEG of five channels": Case(_image(lambda: _jpeg_with(9, 5)), UNKNOWN),
    "GIF without frames": Case(_image(lambda: files.gif(9, 9)), UNKNOWN),
    "GIF of 0x0": Case(_image(lambda: files.gif(0, 0)), UNKNOWN),
    "GIF of 65535x65535": Case(_image(lambda: files.gif(65535, 65535, _gif_frame(9, 9))), TOO_LARGE),
    "GIF with a frame of 65535x65535": Case(_image(lambda: files.gif(1, 1, _gif_frame(65535, 65535))), TOO_LARGE),
    "GIF with a frame of 12000x12000": Case(_image(lambda: files.gif(1, 1, _gif_frame(12000, 12000))), BROKEN),
    "BMP of 0x0": Case(_image(lambda: files.bmp(0, 0)), NO_PIXELS),
    "BMP of -5x-5": Case(_image(lambda: files.bmp(-5, -5)), TOO_LARGE),
    "BMP of 100000x100000": Case(_image(lambda: files.bmp(100_000, 100_000)), TOO_LARGE),
    "BMP that promises 13000x13000": Case(_image(lambda: files.bmp(13_000, 13_000)), TOO_MUCH),
    "BMP whose run lengths end": Case(
        _image(lambda: files.bmp(9000, 9000, bits=8, compression=1)),
        "in run lengths; expected",
    ),
    "TIFF of 0x0": Case(_image(lambda: files.tiff(0, 0)), NO_PIXELS),
    "TIFF of 100000x100000": Case(_image(lambda: files.tiff(100_000, 100_000)), TOO_LARGE),
    "TIFF that promises 13000x13000": Case(_image(lambda: files.tiff(13_000, 13_000)), BROKEN),
    "TIFF with a tile of 46000x46000": Case(
        _image(lambda: files.tiff(9, 9, ((322, 4, 1, 46_000), (323, 4, 1, 46_000), (324, 4, 1, 8), (325, 4, 1, 64)))),
        "image: tiles of 46000x46000 in a TIFF of 9x9; expected at most 16777216 pixels in a tile.",
    ),
    "TIFF of 60000 samples": Case(_image(lambda: files.tiff(9, 9, ((277, 3, 1, 60_000),))), UNKNOWN),
    "TIFF with a strip far away": Case(_image(lambda: files.tiff(9, 9, ((273, 4, 1, 0xFFFFFFF0),))), BROKEN),
    "TIFF with broken deflate": Case(
        _image(lambda: files.tiff(99, 99, ((259, 3, 1, 8),), zlib.compress(b"\0" * 99) + b"\0" * 9)), BROKEN
    ),
    "WebP with a canvas of 16000x16000": Case(_image(lambda: files.webp_canvas(16_000, 16_000)), TOO_LARGE),
    "WebP with a canvas of 13000x13000": Case(_image(lambda: files.webp_canvas(13_000, 13_000)), TOO_MUCH),
    "JPEG 2000 of 20000x20000": Case(
        _image(lambda: files.jpeg2000_of_size(20_000, 20_000)),
        "more than 4096 tiles",
    ),
    "PPM of 0x0": Case(_image(lambda: b"P6\n0 0\n255\n"), NO_PIXELS),
    "PPM that promises 13000x13000": Case(_image(lambda: b"P6\n13000 13000\n255\n" + b"1" * 99), TOO_MUCH),
    "PPM of words": Case(_image(lambda: b"P3\n9 9\n255\n" + b"one two " * 99), BROKEN),
    "PPM of a number without end": Case(_image(lambda: b"P3\n" + b"9" * 100_000), UNKNOWN),
}
for _kind in ("JPEG", "PNG", "GIF", "TIFF", "BMP", "PPM", "WEBP", "JPEG2000"):
    for _share in (0.02, 0.3, 0.6, 0.9, 0.97):
        REFUSED[f"{_kind}, the first {_share:.0%}"] = Case(
            _image(lambda kind=_kind, share=_share: files.cut(kind, share)), "image: "
        )


def _zip() -> bytes:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("../../a.png", PNG)
    return buffer.getvalue()


def _jpeg_with(offset: int, value: int) -> bytes:
    """A JPEG with one byte of its frame header changed: 1 is the process, 4 the bits, 9 the channels."""
    data = bytearray(encode(picture(), "JPEG"))
    data[data.index(b"\xff\xc0") + offset] = value
    return bytes(data)


def _gif_frame(width: int, height: int) -> bytes:
    return b"," + struct.pack("<HHHHB", 0, 0, width, height, 0) + b"\x02\x02\x4c\x01\x00"
