"""Exceptions of watching."""

from preannotate.core.errors import PreannotateError


class WatchError(PreannotateError, ValueError):
    """A setting is wrong, or something cannot be watched."""
