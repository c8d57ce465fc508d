r"""What reaches a terminal or a log: without escape sequences, marks of direction and secrets, whoever's text it is.

Names of labels, tasks and files are strangers' texts. Messages show them by `text.printable`; here are the places that
everything passes, for what was not thought of there. "\x1b" is written as "\u001b", which JSON reads as what it was.
"""

import contextlib
import logging
import re
import sys
from collections.abc import Iterator
from typing import Any, TextIO

from preannotate.core.secrets import redacted
from preannotate.core.text import printable

_LONGEST_MESSAGE = 10_000
# Control characters but tabs and line ends, marks of direction, other line ends, and halves of surrogate pairs.
_UNSAFE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)


def safe_lines(text: str) -> str:
    """Return text whose lines a terminal shows as they are."""
    return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


class _SafeStream:
    """A text stream that writes `safe_lines`; everything else is the stream's own."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        self._stream.write(safe_lines(text))
        return len(text)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextlib.contextmanager
def safe_output() -> Iterator[None]:
    """Write `safe_lines` to standard output and standard error inside the block."""
    out, err = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = _SafeStream(out), _SafeStream(err)  # type: ignore[assignment]
    try:
        yield
    finally:
        sys.stdout, sys.stderr = out, err


class SafeFormatter(logging.Formatter):
    """Writes each message as one line without secrets; a traceback follows on lines of its own."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        """Return the first line."""
        record.message = printable(redacted(record.message), _LONGEST_MESSAGE)
        return super().formatMessage(record)

    def formatException(self, ei: Any) -> str:  # noqa: N802
        """Return the lines of the traceback."""
        return safe_lines(redacted(super().formatException(ei)))


def log_to_stderr(level: int = logging.INFO) -> None:
    """Log to standard error, instead of wherever else messages went."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(SafeFormatter("%(asctime)s %(levelname)-7s %(message)s"))
    logging.basicConfig(level=level, handlers=[handler], force=True)
