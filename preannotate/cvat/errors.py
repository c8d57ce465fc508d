"""What stops the work with a CVAT server."""

from preannotate.core.errors import PreannotateError


class CvatError(PreannotateError, RuntimeError):
    """CVAT does not answer, refuses, or has nothing to give; one sentence says which."""
