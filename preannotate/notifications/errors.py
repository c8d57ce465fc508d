"""Exceptions of notifications."""

from preannotate.core.errors import PreannotateError


class NotifyError(PreannotateError, ValueError):
    """A setting is wrong, or something could not be delivered."""
