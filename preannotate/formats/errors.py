"""The error of annotation files and datasets."""

from preannotate.core.errors import PreannotateError


class DatasetError(PreannotateError, ValueError):
    """An annotation file says something impossible, or there is too little to train on."""
