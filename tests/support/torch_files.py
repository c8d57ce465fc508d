"""Checkpoints as PyTorch writes them, pickle by pickle: in a zip archive, or as before version 1.6."""

import io
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from trainer.torch_checkpoint import MAGIC


class FloatStorage:
    """Pickled under the name of PyTorch's class."""


class HalfStorage:
    """The same for float16."""


class LongStorage:
    """The same for int64."""


for kind in (FloatStorage, HalfStorage, LongStorage):
    kind.__module__, kind.__qualname__ = "torch", kind.__name__


def _rebuild_tensor_v2(*_: Any) -> None:
    raise AssertionError("reading must not call it")


_rebuild_tensor_v2.__module__ = "torch._utils"


class Tensor:
    """A view into a storage; offset and strides count elements."""

    def __init__(self, kind: type, key: str, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]) -> None:
        self.storage = (kind, key)
        self.view = (offset, shape, strides)

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild_tensor_v2, (Stored(*self.storage), *self.view, False, OrderedDict())


class Stored:
    """A storage, whose numbers lie elsewhere in the file."""

    def __init__(self, kind: type, key: str) -> None:
        self.kind, self.key = kind, key


class Pickler(pickle._Pickler):
    """Writes names without importing what they name."""

    def persistent_id(self, obj: Any) -> Any:
        return ("storage", obj.kind, obj.key, "cpu", 0, None) if isinstance(obj, Stored) else None

    def save_global(self, obj: Any, name: str | None = None) -> None:
        self.write(pickle.GLOBAL + f"{obj.__module__}\n{obj.__name__}\n".encode())

    dispatch: ClassVar = {**pickle._Pickler.dispatch, type(_rebuild_tensor_v2): save_global, type: save_global}


def pickled(value: Any) -> bytes:
    """Return the pickle of a value with `Tensor`s in it."""
    buffer = io.BytesIO()
    Pickler(buffer, protocol=2).dump(value)
    return buffer.getvalue()


def checkpoint(path: Path, tensors: Any, storages: Mapping[str, np.ndarray]) -> Path:
    """Write the format of before version 1.6."""
    parts = [pickled(MAGIC), pickled(1001), pickled({"little_endian": True}), pickled(tensors), pickled(list(storages))]
    parts += [len(values).to_bytes(8, "little") + values.tobytes() for values in storages.values()]
    path.write_bytes(b"".join(parts))
    return path


def archive(
    path: Path,
    value: Any,
    storages: Mapping[str, np.ndarray],
    *,
    folder: str = "model",
    more: Iterable[tuple[str, bytes]] = (),
    compression: int = zipfile.ZIP_STORED,
) -> Path:
    """Write a zip archive; `value` may be a pickle already."""
    with zipfile.ZipFile(path, "w", compression) as file:
        file.writestr(f"{folder}/data.pkl", value if isinstance(value, bytes) else pickled(value))
        file.writestr(f"{folder}/byteorder", "little")
        for key, values in storages.items():
            file.writestr(f"{folder}/data/{key}", values.tobytes())
        file.writestr(f"{folder}/version", "3\n")
        for name, content in more:
            file.writestr(name, content)
    return path


def save_model(path: Path, arrays: Mapping[str, np.ndarray]) -> Path:
    """Write float32 arrays as the model of a training state, each in a storage of its own."""
    tensors, storages = OrderedDict(), {}
    for number, (name, values) in enumerate(arrays.items()):
        values = np.ascontiguousarray(values, "<f4")
        strides = tuple(stride // values.itemsize for stride in values.strides)
        tensors[name] = Tensor(FloatStorage, str(number), 0, values.shape, strides)
        storages[str(number)] = values
    return archive(path, {"start_epoch": 300, "model": tensors, "optimizer": {}}, storages)
