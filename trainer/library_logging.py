"""Keep TensorFlow's start-up messages off the terminal.

Its libraries write about instruction sets before they read any log level, so the file descriptor is redirected while
they load. Errors are raised as exceptions all the same.
"""

import contextlib
import os
from collections.abc import Iterator


@contextlib.contextmanager
def quiet_loading() -> Iterator[None]:
    """Silence native code's stderr, and TensorFlow's informative messages from now on."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    kept = os.dup(2)
    try:
        with open(os.devnull, "w") as nothing:  # noqa: PTH123 - the descriptor is what counts
            os.dup2(nothing.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
