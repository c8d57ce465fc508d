"""What stops `annotate` before or while it works; one image that cannot be read does not."""

from preannotate.core.errors import PreannotateError


class AnnotateError(PreannotateError, ValueError):
    """Nothing to annotate, nothing to annotate with, or no place to write to."""
