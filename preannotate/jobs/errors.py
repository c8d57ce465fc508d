"""Exceptions of jobs.

JobError (ValueError)   a run cannot be queued, started or changed
└── WatchError          a setting of `watch` is wrong, or a model cannot be watched
"""

from preannotate.core.errors import PreannotateError


class JobError(PreannotateError, ValueError):
    """A run cannot be queued, started or changed."""


class WatchError(JobError):
    """A setting of `watch` is wrong, or a model cannot be watched."""
