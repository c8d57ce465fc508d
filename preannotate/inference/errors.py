"""What stops a function directory from answering; one image that cannot be read does not."""

from preannotate.core.errors import PreannotateError


class InferenceError(PreannotateError, ValueError):
    """No images, no function to ask about them, or a function that does not answer."""
