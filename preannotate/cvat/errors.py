"""What stops the work with a CVAT server."""

from preannotate.core.errors import PreannotateError

# Ends messages about what may pass: everything that was done stays.
RESUME = "Run the same command again to continue."


class CvatError(PreannotateError, RuntimeError):
    """CVAT does not answer, rejects a request, or has no suitable data.

    Attributes:
        status: HTTP status of the response; None without one.
    """

    def __init__(self, message: str, *, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status
