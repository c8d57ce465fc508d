"""Exceptions of the loop."""

from preannotate.core.errors import PreannotateError


class WorkspaceError(PreannotateError, ValueError):
    """A workspace, a version or a stage is not as it must be."""
