"""Tensors out of a PyTorch checkpoint, without PyTorch and without unpickling (`torch_pickle`).

`torch.save` writes two formats. Since version 1.6, a zip archive: `NAME/data.pkl` with the dictionary, and a file
`NAME/data/KEY` for the numbers of each storage; nothing in it is compressed. Before that, five pickles (magic number,
version, sizes of types, the dictionary, the keys of the storages), then each storage as the number of its elements,
int64, and the elements. Source: torch/serialization.py, `_load` and `_legacy_load`.
"""

import io
import math
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from preannotate.core.files import read_limited
from preannotate.core.text import printable
from trainer import torch_pickle
from trainer.errors import TrainingError
from trainer.torch_pickle import Tensor

MAGIC = 0x1950A86A20F9469CFC6C
MAX_BYTES = 512 * 1024**2
_ZIP = b"PK\x03\x04"
_ZIP_ENTRY = b"PK\x01\x02"
_MAX_ENTRIES = 20_000
# Tensors may share their numbers, as tied weights do, and each gets its own here.
_SHARING = 2
_MAX_DIMENSIONS = 8
_MODEL = "model"
_PICKLE = "/data.pkl"
_ENCRYPTED = 1
# What a damaged or hostile file meets in `zipfile`, `pickletools`, NumPy and here.
_ERRORS = (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError, OverflowError, struct.error)


def read(path: Path, *, max_bytes: int = MAX_BYTES) -> dict[str, np.ndarray]:
    """Return names and values of a network's tensors: those of the dictionary, or of its entry `model` if it has one.

    Values of float types become float32, others int64.

    Raises:
        TrainingError: No such file, one of more than `max_bytes`, or one that holds anything else.
    """
    try:
        content = read_limited(path, max_bytes)
        value, numbers = (_read_zip if content.startswith(_ZIP) else _read_legacy)(content)
        return _arrays(value, numbers, _SHARING * len(content))
    except _ERRORS as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise TrainingError(
            f"{printable(path.name)}: {printable(str(reason))}; expected a checkpoint of tensors as PyTorch writes it. "
            f"Fetch the file again."
        ) from error


def _read_zip(content: bytes) -> tuple[Any, dict[str, bytes]]:
    """Return the pickled value, and the numbers of its storages by their keys."""
    if content.count(_ZIP_ENTRY) > _MAX_ENTRIES:
        raise ValueError(f"a zip archive of more than {_MAX_ENTRIES} entries")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            files = _stored_files(archive, len(content))
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise ValueError(f"a damaged zip archive ({error})") from error
    folders = [name.removesuffix(_PICKLE) for name in files if name.endswith(_PICKLE)]
    if len(folders) != 1:
        raise ValueError("a zip archive of another kind")
    folder = folders[0]
    if files.get(f"{folder}/byteorder", b"little") != b"little":
        raise ValueError("numbers in the byte order of another processor")
    value, storages = torch_pickle.load(io.BytesIO(files[folder + _PICKLE]))
    return value, {key: files[place] for key in storages if (place := f"{folder}/data/{key}") in files}


def _stored_files(archive: zipfile.ZipFile, size: int) -> dict[str, bytes]:
    entries = archive.infolist()
    if any(entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & _ENCRYPTED for entry in entries):
        raise ValueError("a zip archive that is compressed or encrypted")
    if len({entry.filename for entry in entries}) != len(entries) or sum(entry.file_size for entry in entries) > size:
        raise ValueError("a zip archive whose entries overlap")
    return {entry.filename: archive.read(entry) for entry in entries}


def _read_legacy(content: bytes) -> tuple[Any, dict[str, bytes]]:
    file = io.BytesIO(content)
    if torch_pickle.load(file)[0] != MAGIC:
        raise ValueError("no magic number")
    _version, (platform, _), (value, storages), (keys, _) = (torch_pickle.load(file) for _ in range(4))
    if platform.get("little_endian") is False:
        raise ValueError("numbers in the byte order of another processor")
    numbers = {}
    for key in keys:
        count = int.from_bytes(file.read(8), "little")
        size = count * storages[key].dtype.itemsize
        numbers[key] = file.read(size) if size <= len(content) else b""
        if len(numbers[key]) != size:
            raise ValueError(f"a storage of {count} numbers is cut off")
    return value, numbers


def _arrays(value: Any, numbers: Mapping[str, bytes], max_bytes: int) -> dict[str, np.ndarray]:
    if isinstance(value, dict) and isinstance(value.get(_MODEL), dict):
        value = value[_MODEL]
    if not isinstance(value, dict) or not value:
        raise ValueError("no tensors in it")
    arrays: dict[str, np.ndarray] = {}
    size = 0
    for name, tensor in value.items():
        if not isinstance(tensor, Tensor) or not isinstance(name, str):
            raise ValueError(f"{name!r} is no tensor")
        view = _view(tensor, numbers)
        size += view.nbytes
        if size > max_bytes:
            raise ValueError("tensors that share too many numbers")
        with np.errstate(over="ignore"):
            arrays[name] = view.astype(np.float32 if view.dtype.kind == "f" else np.int64)
        if not np.isfinite(arrays[name]).all():
            raise ValueError(f"{name!r} has numbers that are not finite")
    return arrays


def _view(tensor: Tensor, numbers: Mapping[str, bytes]) -> np.ndarray:
    """Return the tensor as a view of its storage; strides need not be row-major, PyTorch saves transposed views too."""
    if tensor.storage.key not in numbers:
        raise ValueError(f"no storage {tensor.storage.key!r}")
    storage = np.frombuffer(numbers[tensor.storage.key], tensor.storage.dtype)
    if max(len(tensor.shape), len(tensor.strides)) > _MAX_DIMENSIONS:
        raise ValueError(f"a tensor of {len(tensor.shape)} dimensions")
    if {type(number) for number in (tensor.offset, *tensor.shape, *tensor.strides)} != {int}:
        raise ValueError("a tensor whose shape is not of numbers")
    steps = zip(tensor.shape, tensor.strides, strict=True)
    # as_strided checks nothing: the last number that a view touches must lie inside, and none may come twice.
    last = tensor.offset + sum((side - 1) * stride for side, stride in steps)
    least = min((tensor.offset, *tensor.shape, *tensor.strides))
    if least < 0 or 0 in tensor.shape or last >= len(storage) or math.prod(tensor.shape) > len(storage):
        raise ValueError(f"a tensor of shape {tensor.shape} beyond its storage")
    strides = [stride * storage.itemsize for stride in tensor.strides]
    return np.lib.stride_tricks.as_strided(storage[tensor.offset :], tensor.shape, strides, writeable=False)
