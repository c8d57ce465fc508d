"""What the worker says to the user through its last line."""


class Refused(ValueError):  # noqa: N818 - it is an answer, not an accident
    """The model cannot be imported; one sentence says why and what to do."""


def reason(error: Exception) -> str:
    """The line of a library's message that says most: OpenVINO begins with places in its own source."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = [line for line in lines if not line.startswith(("Exception from", "Check '", "Traceback"))]
    return (telling or lines or [type(error).__name__])[0][:300]
