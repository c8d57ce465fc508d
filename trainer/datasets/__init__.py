"""Annotation exports in, samples out: the first step of every training.

`load` reads any format of `FORMATS` into the run's store, `check` refuses what cannot be trained on, `split`
divides it (`read_split_file`: as a person said), `save` and `read_saved` freeze it in the run.
"""

from preannotate.formats import FORMATS
from trainer.datasets.health import Health, check
from trainer.datasets.loading import load
from trainer.datasets.sample import Dataset, Sample
from trainer.datasets.split import Split, split
from trainer.datasets.split_file import read_split_file
from trainer.datasets.store import read_saved, save

__all__ = [
    "FORMATS",
    "Dataset",
    "Health",
    "Sample",
    "Split",
    "check",
    "load",
    "read_saved",
    "read_split_file",
    "save",
    "split",
]
