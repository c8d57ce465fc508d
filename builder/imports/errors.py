"""What the worker says to the user through its last line."""

_MOST = 300


class UnsupportedModelError(ValueError):
    """The model cannot be imported; one sentence says why and what to do."""


def decisive_line(error: Exception) -> str:
    """The line of a library's message that says most: OpenVINO begins with places in its own source."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    last = lines[-1] if lines else type(error).__name__
    return last.partition(" Please check")[0][:_MOST]
