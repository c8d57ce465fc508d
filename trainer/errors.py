"""Errors between annotations and an export directory.

TrainerError
└── TrainingError (RuntimeError)  training cannot start or continue
    └── WorkerLostError           another process of the run is gone; all can continue

Errors in annotations or a dataset are `preannotate.formats.records.DatasetError`.

Each message is one sentence for a person: where, what was found, what was expected, what to do.
"""

from preannotate.core.errors import PreannotateError


class TrainerError(PreannotateError):
    """Something a user of the trainer can fix."""


class TrainingError(TrainerError, RuntimeError):
    """Training cannot start or continue."""


class WorkerLostError(TrainingError):
    """Another process of the run is gone. Nothing has to be fixed: started again, all of them continue."""

    exit_code = 3
