"""Text files in whatever encoding they were saved: editors and shells of Windows write other ones than UTF-8.

A byte order mark decides. Without one a file is UTF-8, UTF-16 if every second byte is zero, or of a Windows code page
if those of Europe that have Latin letters agree about every character of it. Everything else is refused with the
encoding that it looks like: a label read in the wrong one is another label.
"""

import codecs
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # begins like the mark of UTF-16
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (b"\x84\x31\x95\x33", "gb18030"),
)
# Windows' code pages of Western, Central European, Turkish and Baltic languages.
_LATIN = ("cp1252", "cp1250", "cp1254", "cp1257")
_WORD = re.compile(rb"[A-Za-z\x80-\xff]+")
_HIGH_RUN = re.compile(rb"(?:[\x80-\xff][\x20-\xff]?){3,}")
_LETTERS_IN_A_ROW = re.compile(r"[^\W\d_a-zA-Z]{3}")
# Their name, Python's, and what most letters of a text are if it is the right one.
_FOREIGN = (
    ("Windows-1251", "cp1251", "[\u0430-\u044f\u0451]"),
    ("KOI8-R", "koi8-r", "[\u0430-\u044f\u0451]"),
    ("CP866", "cp866", "[\u0430-\u044f\u0451]"),
    ("Shift-JIS", "cp932", "[\u3040-\u30ff\u4e00-\u9fff]"),
    ("EUC-KR", "cp949", "[\uac00-\ud7a3]"),
    ("GBK", "gbk", "[\u4e00-\u9fff]"),
)
_SURE = 0.8
_EXAMPLES = 20_000  # bytes at the first character that is not UTF-8, from which an encoding is guessed


class EncodingError(ValueError):
    """A text is in an encoding that is not read."""


def read_text(path: Path, *, max_bytes: int | None = None) -> str:
    """Return the text of a file, without its byte order mark, and with line feeds as line ends.

    Raises:
        OSError: The file cannot be read.
        EncodingError: It is in an encoding that is not read, or larger than `max_bytes`.
    """
    with path.open("rb") as file:
        data = file.read() if max_bytes is None else file.read(max_bytes + 1)
    if max_bytes is not None and len(data) > max_bytes:
        raise EncodingError(f"more than {max_bytes} bytes")
    return decode_text(data)


def decode_text(data: bytes) -> str:
    """Return the text of a file's bytes, as `read_text` does.

    Raises:
        EncodingError: It is in an encoding that is not read.
    """
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), None) or _unmarked_utf16(data) or "utf-8"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        if encoding != "utf-8":
            raise EncodingError(f"not {encoding.upper()}, of which it has the mark: {error.reason}") from None
        text = _decode_code_page(data, error.start)
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


def _unmarked_utf16(data: bytes) -> str | None:
    """Return which UTF-16 a text without a mark is: in Latin text one of two bytes is zero."""
    head = data[:1000]
    if len(data) % 2 or not head:
        return None
    even, odd = head[0::2].count(0), head[1::2].count(0)
    if even == 0 and odd > len(head) // 4:
        return "utf-16-le"
    return "utf-16-be" if odd == 0 and even > len(head) // 4 else None


def _decode_code_page(data: bytes, first_wrong: int) -> str:
    words = b" ".join(_foreign_words(data))
    readings = {_decode(words, name) for name in _LATIN}
    reading = readings.pop()
    if not readings and reading is not None and _is_plausible(reading):
        return data.decode("cp1252", errors="replace")
    raise EncodingError(f"not UTF-8 {_guess(data, first_wrong)}")


def _foreign_words(data: bytes) -> Iterator[bytes]:
    """Yield the words with a byte that is not ASCII."""
    return (match[0] for match in _WORD.finditer(data) if not match[0].isascii())


def _is_plausible(words: str) -> bool:
    """Whether words of Latin letters hold no run of foreign ones, and within words nothing but letters."""
    within = re.findall(r"[^\W\d_]([^\x00-\x7f])[^\W\d_]", words)
    return not _LETTERS_IN_A_ROW.search(words) and all(letter.isalpha() or letter == "\u2019" for letter in within)


def _guess(data: bytes, first_wrong: int) -> str:
    """Return which encoding the text looks like, with the words that are read so."""
    start = data.rfind(b"\n", 0, first_wrong) + 1
    sample = data[start : start + _EXAMPLES]
    words = b" ".join(_HIGH_RUN.findall(sample)[:50])
    for name, encoding, letters in _FOREIGN:
        text = _decode(words, encoding)
        if not text:
            continue
        share = len(re.findall(letters, text)) / sum(letter > "\x7f" for letter in text)
        if share > _SURE and not re.search("[a-zA-Z]", text):
            return f"but, as it seems, {name} ({_first_word(text)!r})"
    words = b" ".join(islice(_foreign_words(sample), 50))
    western, central = (_decode(words, name) for name in ("cp1252", "cp1250"))
    if western is not None and central is not None:
        return f"but a Windows code page: {_first_word(western)!r} in Windows-1252, {_first_word(central)!r} in -1250"
    return f"(byte {data[first_wrong]:#04x} at {first_wrong})"


def _first_word(words: str) -> str:
    return words.split(" ", 1)[0][:20]


def _decode(data: bytes, encoding: str) -> str | None:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        return None
