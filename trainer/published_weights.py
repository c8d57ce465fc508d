"""COCO weights of whole detectors, kept as files on this machine: what is published, and what is here.

A file is downloaded, or brought from elsewhere, once. Beside it lies a record of where it came from, its size and its
SHA-256; a file that has changed since is refused. Nothing here needs TensorFlow.
"""

import contextlib
import hashlib
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from preannotate.core import http
from preannotate.core.drafts import scratch_directory
from preannotate.core.errors import FileError, PreannotateError
from preannotate.core.files import put_in_place, read_json, write_json
from preannotate.core.locks import file_lock
from preannotate.core.text import printable
from trainer.errors import TrainingError

log = logging.getLogger(__name__)

# Where they are kept instead of the user's cache; for containers with a volume of their own.
FOLDER_VARIABLE = "PREANNOTATE_WEIGHTS"
# Set to anything, nothing is downloaded: where a firewall makes every attempt wait, and in tests.
OFFLINE_VARIABLE = "PREANNOTATE_OFFLINE"
# A firewall that drops packets must not hold up training for the minutes that TCP would try.
CONNECT_SECONDS, DOWNLOAD_SECONDS = 10.0, 300.0
_RELEASE = "https://github.com/Megvii-BaseDetection/YOLOX/releases/download/0.1.1rc0"
_MIB = 1024**2
_CHECKPOINT, _EXPORT = ".pth", ".onnx"
# How a checkpoint of PyTorch begins: a zip archive, or a pickle.
_CHECKPOINT_STARTS = (b"PK\x03\x04", b"\x80")
_DIGEST_SHOWN, _NAME_SHOWN = 12, 50
_SCRATCH = ".get-"
_LOCK_SECONDS = 30.0


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

# Reads a file of weights; raises a TrainingError if it has other layers than the model.
Check = Callable[[Path], object]


@dataclass(frozen=True)
class KeptWeights:
    """A file that is here.

    Attributes:
        source: The address it was downloaded from, or the name of the file it was copied from.
    """

    path: Path
    source: str
    size: int
    sha256: str


class NotFetchedError(TrainingError):
    """Weights could not be downloaded; the sentence says what to bring, and how."""


def folder() -> Path:
    """Return where they are kept: $PREANNOTATE_WEIGHTS, else preannotate/weights in the user's cache.

    Raises:
        FileError: The user has no home folder.
    """
    if given := os.environ.get(FOLDER_VARIABLE):
        return Path(given)
    cache = Path(os.environ.get("XDG_CACHE_HOME", ""))
    try:
        return (cache if cache.is_absolute() else Path.home() / ".cache") / "preannotate" / "weights"
    except RuntimeError as error:
        raise FileError(
            f"base weights: no home folder; expected one. Set {FOLDER_VARIABLE} to a folder for them."
        ) from error


def kept(model: str) -> KeptWeights | None:
    """Return what is recorded of a model's file, if that is here; its content is not compared.

    Raises:
        PreannotateError: The record cannot be read.
    """
    model = detector_of(model)
    try:
        record = _record(model)
    except FileError:  # no home: nothing can be there
        return None
    content = read_json(record)
    if content is None:
        return None
    try:
        suffix, source, size, sha256 = (content[key] for key in ("suffix", "source", "size", "sha256"))
        if suffix not in (_CHECKPOINT, _EXPORT) or not isinstance(source, str) or not isinstance(size, int):
            raise TypeError
        if len(bytes.fromhex(sha256)) != hashlib.sha256().digest_size:
            raise ValueError
    except (KeyError, TypeError, ValueError) as error:
        raise FileError(f"{record}: not a record of weights; expected one. Remove the file.") from error
    path = _path(model, sha256, suffix)
    return KeptWeights(path, source, size, sha256) if path.is_file() else None


def find(model: str) -> Path | None:
    """Return the file of a model's weights; None if it is not here. Nothing is downloaded.

    Raises:
        TrainingError: The file has changed since it was kept.
        PreannotateError: File or record cannot be read.
    """
    found = kept(model)
    if found is None:
        return None
    try:
        changed = found.path.stat().st_size != found.size or _digest(found.path) != found.sha256
    except OSError as error:
        raise FileError(f"{found.path}: {error.strerror or error}; expected a file of weights. Check it.") from error
    if changed:
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
    except (NotFetchedError, FileError) as error:  # no network, or nowhere to keep it
        log.warning("%s", error)
        return None


def fetch(model: str, check: Check) -> Path:
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

    def download(target: Path) -> None:
        with target.open("wb") as file:
            http.download(
                published.address,
                file,
                max_bytes=published.max_bytes,
                connect_timeout=CONNECT_SECONDS,
                timeout=DOWNLOAD_SECONDS,
            )

    def check_download(path: Path) -> None:
        try:
            check(path)
        except TrainingError as error:  # a page of a proxy, for example
            raise _not_fetched(published, "the answer is another file") from error

    try:
        return _keep(published, published.address, download, check_download)
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
    return _keep(published, printable(file.name), lambda target: _copy(file, target, published.max_bytes), check)


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


def _keep(published: PublishedWeights, source: str, write: Callable[[Path], object], check: Check) -> Path:
    """Write a file beside its place, check it and record it; until then an earlier one counts."""
    place = folder()
    try:
        place.mkdir(parents=True, exist_ok=True)
        with scratch_directory(place, _SCRATCH) as scratch:
            written = scratch / "weights"
            write(written)
            # The name is in the sentence of a file that is refused.
            name = source.rpartition("/")[2].removesuffix(_CHECKPOINT).removesuffix(_EXPORT)[:_NAME_SHOWN]
            written = written.rename(scratch / f"{name or published.model}{_suffix(written)}")
            check(written)
            with _one_writer(published.model):
                return _put_in_place(published.model, source, written)
    except PreannotateError:
        raise
    except OSError as error:
        raise FileError(
            f"{place}: {error.strerror or error}; expected a writable folder. Set {FOLDER_VARIABLE} to another one."
        ) from error


def _one_writer(model: str) -> contextlib.AbstractContextManager[int]:
    """Of two processes that bring a file of one model, one waits: else each could remove what the other records."""
    busy = f"{model}: another process is keeping its weights; expected it to end. Try again."
    return file_lock(folder() / f".{model}.lock", busy, wait_seconds=_LOCK_SECONDS)


def _put_in_place(model: str, source: str, written: Path) -> Path:
    size, sha256 = written.stat().st_size, _digest(written)
    path = _path(model, sha256, written.suffix)
    put_in_place(written, path)
    write_json(_record(model), {"suffix": path.suffix, "source": source, "size": size, "sha256": sha256})
    for other in folder().glob(f"{model}-*"):
        if other != path:
            other.unlink(missing_ok=True)
    return path


def _copy(file: Path, target: Path, max_bytes: int) -> None:
    with file.open("rb") as source, target.open("wb") as copy:
        copy.write(source.read(max_bytes))


def _suffix(file: Path) -> str:
    """Return the suffix of a file by its first bytes: whoever downloads one may call it anything."""
    with file.open("rb") as opened:
        start = opened.read(max(map(len, _CHECKPOINT_STARTS)))
    return _CHECKPOINT if start.startswith(_CHECKPOINT_STARTS) else _EXPORT


def _digest(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _path(model: str, sha256: str, suffix: str) -> Path:
    """Return the place of a file: one for each content, so that the record alone says which one counts."""
    return folder() / f"{model}-{sha256[:_DIGEST_SHOWN]}{suffix}"


def _record(model: str) -> Path:
    return folder() / f"{model}.json"
