"""The files are written by hand, pickle by pickle, as PyTorch wrote them before version 1.6."""

import io
import pickle
import re
from collections import OrderedDict
from typing import ClassVar

import numpy as np
import pytest

from trainer import torch_checkpoint
from trainer.errors import TrainingError
from trainer.torch_checkpoint import MAGIC


class FloatStorage:
    """Pickled under the name of PyTorch's class."""


class LongStorage:
    """The same for int64."""


for kind in (FloatStorage, LongStorage):
    kind.__module__, kind.__qualname__ = "torch", kind.__name__


def _rebuild_tensor_v2(*_):
    raise AssertionError("reading must not call it")


_rebuild_tensor_v2.__module__ = "torch._utils"


class Tensor:
    def __init__(self, kind, key, offset, shape, strides):
        self.storage = (kind, key)
        self.view = (offset, shape, strides)

    def __reduce__(self):
        return _rebuild_tensor_v2, (Stored(*self.storage), *self.view, False, OrderedDict())


class Stored:
    def __init__(self, kind, key):
        self.kind, self.key = kind, key


class Pickler(pickle._Pickler):
    """Writes names without importing what they name."""

    def persistent_id(self, obj):
        return ("storage", obj.kind, obj.key, "cpu", 0, None) if isinstance(obj, Stored) else None

    def save_global(self, obj, name=None):
        self.write(pickle.GLOBAL + f"{obj.__module__}\n{obj.__name__}\n".encode())

    dispatch: ClassVar = {**pickle._Pickler.dispatch, type(_rebuild_tensor_v2): save_global, type: save_global}


def pickled(value):
    buffer = io.BytesIO()
    Pickler(buffer, protocol=2).dump(value)
    return buffer.getvalue()


def checkpoint(path, tensors, storages):
    parts = [pickled(MAGIC), pickled(1001), pickled({"little_endian": True}), pickled(tensors), pickled(list(storages))]
    parts += [len(values).to_bytes(8, "little") + values.tobytes() for values in storages.values()]
    path.write_bytes(b"".join(parts))
    return path


def test_views_into_storages_become_arrays(tmp_path):
    numbers = np.arange(12, dtype="<f4")
    tensors = OrderedDict(
        rows=Tensor(FloatStorage, "a", 0, (3, 4), (4, 1)),
        turned=Tensor(FloatStorage, "a", 0, (4, 3), (1, 4)),
        part=Tensor(FloatStorage, "a", 6, (2,), (1,)),
        count=Tensor(LongStorage, "b", 0, (), ()),
    )
    path = checkpoint(tmp_path / "model.pth", tensors, {"a": numbers, "b": np.array([7], "<i8")})

    found = torch_checkpoint.read(path)

    assert list(found) == ["rows", "turned", "part", "count"]
    np.testing.assert_array_equal(found["rows"], numbers.reshape(3, 4))
    np.testing.assert_array_equal(found["turned"], numbers.reshape(3, 4).T)
    assert found["part"].tolist() == [6.0, 7.0]
    assert (found["count"].item(), found["count"].dtype) == (7, np.int64)


class Attack:
    """What a hostile file would do: a call when it is unpickled."""

    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return open, (str(self.target), "w")


def test_a_file_that_wants_to_run_something_is_refused_and_runs_nothing(tmp_path):
    path, target = tmp_path / "model.pth", tmp_path / "written"
    path.write_bytes(pickle.dumps(MAGIC, 2) + pickle.dumps(Attack(target), 2))

    with pytest.raises(TrainingError, match=r"^model\.pth: the name '\w*io open'; expected a checkpoint of tensors"):
        torch_checkpoint.read(path)
    assert not target.exists()


@pytest.mark.parametrize(
    ("view", "found"),
    [
        ((0, (5, 4), (4, 1)), "a tensor of shape (5, 4) beyond its storage"),
        ((10, (3,), (1,)), "a tensor of shape (3,) beyond its storage"),
        ((-4, (3,), (1,)), "a tensor of shape (3,) beyond its storage"),
        ((0, (2, 2), (-1, 1)), "a tensor of shape (2, 2) beyond its storage"),
        ((0, (10**6, 10**6), (0, 0)), "a tensor of shape (1000000, 1000000) beyond its storage"),
    ],
)
def test_a_view_beyond_its_storage_is_refused(tmp_path, view, found):
    tensors = OrderedDict(x=Tensor(FloatStorage, "a", *view))
    path = checkpoint(tmp_path / "model.pth", tensors, {"a": np.arange(12, dtype="<f4")})
    sentence = (
        f"model.pth: {found}; expected a checkpoint of tensors as PyTorch wrote it before version 1.6. "
        f"Fetch the file again."
    )

    with pytest.raises(TrainingError, match=f"^{re.escape(sentence)}$"):
        torch_checkpoint.read(path)


def test_a_file_that_is_cut_off_is_refused(tmp_path):
    tensors = OrderedDict(x=Tensor(FloatStorage, "a", 0, (12,), (1,)))
    path = checkpoint(tmp_path / "model.pth", tensors, {"a": np.arange(12, dtype="<f4")})
    whole = path.read_bytes()

    for length in (0, 5, 40, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(TrainingError, match=r"^model\.pth: .*; expected a checkpoint of tensors"):
            torch_checkpoint.read(path)


@pytest.mark.parametrize("content", [b"PK\x03\x04newer", b"\x00" * 64, b"no checkpoint", pickle.dumps([1, 2])])
def test_other_files_are_refused(tmp_path, content):
    path = tmp_path / "model.pth"
    path.write_bytes(content)

    with pytest.raises(TrainingError, match=r"^model\.pth: .*; expected a checkpoint of tensors"):
        torch_checkpoint.read(path)
