"""COCO weights of whole detectors, kept as files on this machine: what is published, and what is here.

A file is downloaded, or brought from elsewhere, once. Beside it lies a record of where it came from, its size and its
SHA-256; a file that has changed since is refused. Nothing here needs TensorFlow.
"""

import logging
import os
from dataclasses import dataclass
from pathlib import Path

from preannotate.core import http, published_files
from preannotate.core.errors import FileError, LockedError
from preannotate.core.published_files import OFFLINE_VARIABLE, Check, KeptFile, Progress
from preannotate.core.text import printable
from trainer.errors import TrainingError

log = logging.getLogger(__name__)

# The part of a training that it may wait for; a download that broke off is continued by the next call.
DOWNLOAD_SECONDS = 300.0
_RELEASE = "https://github.com/Megvii-BaseDetection/YOLOX/releases/download/0.1.1rc0"
_MIB = 1024**2
_CHECKPOINT, _EXPORT = ".pth", ".onnx"
# How a checkpoint of PyTorch begins: a zip archive, or a pickle.
_CHECKPOINT_STARTS = (b"PK\x03\x04", b"\x80")


@dataclass(frozen=True)
class PublishedWeights:
    """The official weights of a model, trained on COCO.

    Attributes:
        address: Of the checkpoint; the statistics of its batch normalisation are as they were trained.
        export: The ONNX export, which is as good.
        max_bytes: No file of this model is larger.
    """

    model: str
    address: str
    export: str
    licence: str
    max_bytes: int

    @property
    def file(self) -> str:
        """Name of the file at `address`."""
        return self.address.rpartition("/")[2]


def _yolox(size: str, mebibytes: int) -> PublishedWeights:
    address = f"{_RELEASE}/yolox_{size}"
    return PublishedWeights(
        f"yolox-{size}", f"{address}{_CHECKPOINT}", f"{address}{_EXPORT}", "Apache-2.0", mebibytes * _MIB
    )


# Checkpoints have the optimizer's moments too: about twice the numbers of the network.
CATALOGUE = {weights.model: weights for weights in (_yolox("nano", 16), _yolox("tiny", 64), _yolox("s", 128))}
# Behind the name of a detector: the network that learns masks too, which starts from the same weights.
MASKS_SUFFIX = "-seg"
# The least that a machine for trainings should have.
SMALLEST = "yolox-nano"


class NotFetchedError(TrainingError):
    """Weights could not be downloaded; the sentence says what to bring, and how."""


def kept(model: str) -> KeptFile | None:
    """Return what is recorded of a model's file, if that is here; its content is not compared.

    Raises:
        PreannotateError: The record cannot be read.
    """
    return published_files.kept(detector_of(model), (_CHECKPOINT, _EXPORT))


def find(model: str) -> Path | None:
    """Return the file of a model's weights; None if it is not here. Nothing is downloaded.

    Raises:
        TrainingError: The file has changed since it was kept.
        PreannotateError: File or record cannot be read.
    """
    found = kept(model)
    if found is None:
        return None
    if published_files.is_changed(found):
        raise TrainingError(
            f"{found.path}: has changed since it came from {printable(found.source)}; expected the same content. "
            f"Run preannotate get base {model} to get it again, or --from FILE with a file of yours."
        )
    return found.path


def find_or_fetch(model: str, check: Check) -> Path | None:
    """Return the file of a model's weights, downloaded if needed; None, with a warning, if it cannot be."""
    if here := find(model):
        return here
    try:
        return fetch(model, check)
    except (NotFetchedError, FileError, LockedError) as error:  # no network, nowhere to keep it, or another is at it
        log.warning("%s", error)
        return None


def fetch(model: str, check: Check, progress: Progress = lambda *_: None) -> Path:
    """Download the weights of a model, keep them and return the file, which replaces an earlier one.

    Raises:
        NotFetchedError: There is no answer, or not the file.
        TrainingError: `check` refuses what came.
        FileError: It cannot be written.
    """
    published = named(model)
    if os.environ.get(OFFLINE_VARIABLE):
        raise _not_fetched(published, f"{OFFLINE_VARIABLE} is set")
    log.info("%s: downloading its COCO weights from %s", model, published.address)

    def check_download(path: Path) -> None:
        try:
            check(path)
        except TrainingError as error:  # a page of a proxy, for example
            raise _not_fetched(published, "the answer is another file") from error

    try:
        return published_files.fetch(
            published.model,
            published.address,
            check_download,
            _suffix,
            max_bytes=published.max_bytes,
            timeout=DOWNLOAD_SECONDS,
            progress=progress,
        )
    except http.NoResponseError as error:
        raise _not_fetched(published, str(error)) from error


def keep(model: str, file: Path, check: Check) -> Path:
    """Copy a file of a model's weights here and return the copy, which replaces an earlier one.

    Raises:
        TrainingError: No file, a too large one, or `check` refuses it.
        FileError: It cannot be read, or written here.
    """
    published = named(model)
    if not file.is_file():  # a pipe or a device would never end
        raise TrainingError(f"--from: {str(file)!r} is not a file; expected {published.file} of {model}.")
    if file.stat().st_size > published.max_bytes:
        raise TrainingError(
            f"{printable(file.name)}: more than {published.max_bytes // _MIB} MiB; "
            f"expected {published.file} of {model}. Give that file."
        )

    return published_files.bring(published.model, file, check, _suffix, max_bytes=published.max_bytes)


def detector_of(model: str) -> str:
    """Return the model whose weights a model starts from: those of yolox-nano-seg are yolox-nano's."""
    return model.removesuffix(MASKS_SUFFIX)


def named(model: str) -> PublishedWeights:
    """Return the weights that a model starts from; a TrainingError if none are published."""
    model = detector_of(model)
    if model not in CATALOGUE:
        raise TrainingError(f"base weights: {model!r} has none; expected one of: {', '.join(CATALOGUE)}.")
    return CATALOGUE[model]


def _not_fetched(published: PublishedWeights, reason: str) -> NotFetchedError:
    model, file = published.model, published.file
    return NotFetchedError(
        f"{model}: its COCO weights are not on this machine and cannot be downloaded ({printable(reason)}); expected "
        f"{file}. Download it elsewhere from {published.address} and run: preannotate get base {model} --from {file}"
    )


def how_to_get(model: str) -> str:
    """Return a sentence for a training, a page or a check of this machine that lacks a model's weights."""
    return (
        f"The COCO weights of {model} are not on this machine; with them training needs far fewer images and minutes. "
        f"Run: preannotate get base {model}"
    )


def _suffix(file: Path) -> str:
    """Return the suffix of a file by its first bytes: whoever downloads one may call it anything."""
    with file.open("rb") as opened:
        start = opened.read(max(map(len, _CHECKPOINT_STARTS)))
    return _CHECKPOINT if start.startswith(_CHECKPOINT_STARTS) else _EXPORT
