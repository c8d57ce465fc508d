"""What can go wrong between annotations and an export directory.

TrainerError
├── DatasetError  (ValueError)    an annotation file says something impossible, or too little to train on
└── TrainingError (RuntimeError)  training cannot start or go on
    └── WorkerLostError           another process of the run is gone; all can continue

Each message is one sentence for a person: where, what was found, what was expected, what to do.
"""

from preannotate.core.errors import PreannotateError


class TrainerError(PreannotateError):
    """Something a user of the trainer can fix."""

    exit_code = 2


class DatasetError(TrainerError, ValueError):
    """An annotation file says something impossible, or too little to train on."""


class TrainingError(TrainerError, RuntimeError):
    """Training cannot start or go on."""


class WorkerLostError(TrainingError):
    """Another process of the run is gone. Nothing has to be mended: started again, all of them continue."""

    exit_code = 3
