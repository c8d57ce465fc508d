"""What can go wrong while building or checking a function directory.

BuildError (RuntimeError)      a step could not run; the cause is chained
└── CheckFailed                everything ran, and the function is not what was trained
"""

from preannotate.core.errors import PreannotateError


class BuildError(PreannotateError, RuntimeError):
    """A step failed; one sentence says which and what to do."""


class CheckFailed(BuildError):  # noqa: N818 - a result, not an accident
    """The function directory was checked and must not be deployed."""

    exit_code = 1
