"""Annotation exports in, samples out: the first step of every training.

`load_dataset` reads exports of any known format into the run's store, `check_dataset` refuses what cannot be trained
on, `split_samples` divides it (`read_split_file`: as a person chose), `save_dataset` and `read_dataset` keep it.
"""

from trainer.datasets.dataset import Dataset, check_dataset, read_dataset, save_dataset
from trainer.datasets.health import Health
from trainer.datasets.loading import load_dataset
from trainer.datasets.sample import Sample
from trainer.datasets.split import Split, split_samples
from trainer.datasets.split_file import read_split_file

__all__ = [
    "Dataset",
    "Health",
    "Sample",
    "Split",
    "check_dataset",
    "load_dataset",
    "read_dataset",
    "read_split_file",
    "save_dataset",
    "split_samples",
]
