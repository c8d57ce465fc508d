"""What can go wrong between annotations and an export directory.

TrainerError
└── TrainingError (RuntimeError)  training cannot start or go on
    └── WorkerLostError           another process of the run is gone; all can continue

What is wrong with annotations or a dataset is a `preannotate.formats.errors.DatasetError`.

Each message is one sentence for a person: where, what was found, what was expected, what to do.
"""

from preannotate.core.errors import PreannotateError


class TrainerError(PreannotateError):
    """Something a user of the trainer can fix."""


class TrainingError(TrainerError, RuntimeError):
    """Training cannot start or go on."""


class WorkerLostError(TrainingError):
    """Another process of the run is gone. Nothing has to be mended: started again, all of them continue."""

    exit_code = 3
