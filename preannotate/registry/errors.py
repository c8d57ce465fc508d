"""Exceptions of the registry."""

from preannotate.core.errors import PreannotateError


class WorkspaceError(PreannotateError, ValueError):
    """A workspace, a model or a version does not exist or is not in the state that an operation needs."""
