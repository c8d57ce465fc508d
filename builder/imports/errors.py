"""Why a model cannot be imported, in one sentence."""

from preannotate.core.text import printable

# Where it is written which layouts are read, and how to export so.
GUIDE = "docs/importing.md#what-the-outputs-mean"
_MAX_LETTERS = 200
_BEFORE_CAUSE = "<stack traces unavailable>"  # in messages of TensorFlow
# In the words of TensorFlow, ONNX Runtime, OpenVINO and C++.
_OUT_OF_MEMORY = ("ResourceExhausted", "OOM when", "Failed to allocate", "bad_alloc", "bad alloc", "Cannot allocate")


class UnsupportedModelError(ValueError):
    """The model cannot be imported; one sentence says why and what to do."""


class UnknownClassError(ValueError):
    """The network returns a class number that has no label."""


def decisive_line(error: Exception) -> str:
    """Return the line of a library's message that says most.

    It is the last: OpenVINO begins with places in its own source. TensorFlow ends with places in the graph.
    """
    text = str(error).rpartition(_BEFORE_CAUSE)[2].partition(" [[")[0]
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    decisive = lines[0 if _BEFORE_CAUSE in str(error) else -1] if lines else type(error).__name__
    return printable(decisive.partition(" Please check")[0], _MAX_LETTERS)


def why_not_run(error: Exception) -> str:
    """Return a sentence about an error of a library that was reading or running a model."""
    text = f"{type(error).__name__} {error}"
    if isinstance(error, MemoryError) or any(sign in text for sign in _OUT_OF_MEMORY):
        return (
            "needs more memory than a network may have here; expected a smaller one. Free memory, or export it again."
        )
    return f"cannot be run ({decisive_line(error)}); expected a network that runs. Export it again."
