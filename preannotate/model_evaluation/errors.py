"""Errors of evaluation and reports."""

from preannotate.core.errors import PreannotateError


class ReportError(PreannotateError, ValueError):
    """The report of a run cannot be written as requested."""
