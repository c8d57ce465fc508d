"""Exceptions of the studio."""

from preannotate.core.errors import PreannotateError


class StudioError(PreannotateError, ValueError):
    """Something that was asked of the studio cannot be; one sentence says what and what to do."""
