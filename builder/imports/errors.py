"""Why the worker does not import a model."""

_MAX_LETTERS = 300


class UnsupportedModelError(ValueError):
    """The model cannot be imported; one sentence says why and what to do."""


class UnknownClassError(ValueError):
    """The network returns a class number that has no label."""


def decisive_line(error: Exception) -> str:
    """Return the last line of a library's message, which says most: OpenVINO begins with places in its own source."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    last = lines[-1] if lines else type(error).__name__
    return last.partition(" Please check")[0][:_MAX_LETTERS]
