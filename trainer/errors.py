"""Errors between annotations and an export directory.

Errors in annotations or a dataset are `preannotate.formats.records.DatasetError`. Each message is one sentence for a
person: where, what was found, what was expected, what to do.
"""

from preannotate.core.errors import PreannotateError


class TrainingError(PreannotateError, RuntimeError):
    """Training cannot start or continue; the user can fix it."""


class WorkerLostError(TrainingError):
    """Another process of the run is gone. Nothing has to be fixed: started again, all of them continue."""

    exit_code = 3
