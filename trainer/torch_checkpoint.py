"""Tensors out of a PyTorch checkpoint, without PyTorch and without unpickling.

A checkpoint is pickled, and unpickling runs any code in the file. Here `pickletools.genops`, which only names the
opcodes of a pickle, feeds a machine that knows the few of them that a dictionary of tensors needs. It builds numbers,
texts, tuples, lists, dictionaries and `Tensor` records; a global name is looked up in a table of four and never
imported. Anything else is refused.

The format is the one that `torch.save` wrote before version 1.6: five pickles (magic number, version, sizes of types,
the dictionary, the keys of the storages), then each storage as the number of its elements, int64, and the elements.
Newer files are zip archives and not read here. Source: `_legacy_load` in torch/serialization.py.
"""

import math
import pickletools
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from trainer.errors import TrainingError

MAGIC = 0x1950A86A20F9469CFC6C
STORAGES: dict[str, np.dtype[Any]] = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}


class Storage(NamedTuple):
    """A named run of numbers, whose values follow the pickles."""

    key: str
    dtype: np.dtype


class Tensor(NamedTuple):
    """A view into a storage; offset and strides count elements."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def read(path: Path) -> dict[str, np.ndarray]:
    """Return names and values of all tensors, float32 or int64; a TrainingError if the file holds anything else."""
    try:
        with path.open("rb") as file:
            if _Machine(file).run() != MAGIC:
                raise ValueError("no magic number")
            _version, _sizes, tensors, keys = (_Machine(file).run() for _ in range(4))
            dtypes = {tensor.storage.key: tensor.storage.dtype for tensor in tensors.values()}
            numbers = {key: _numbers(file, dtypes[key]) for key in keys}
            return {name: _view(tensor, numbers) for name, tensor in tensors.items()}
    except (OSError, ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise TrainingError(
            f"{path.name}: {error}; expected a checkpoint of tensors as PyTorch wrote it before version 1.6. "
            f"Fetch the file again."
        ) from error


def _numbers(file: BinaryIO, dtype: np.dtype) -> np.ndarray:
    count = int.from_bytes(file.read(8), "little")
    content = file.read(count * dtype.itemsize)
    if len(content) != count * dtype.itemsize:
        raise ValueError(f"a storage of {count} numbers is cut off")
    return np.frombuffer(content, dtype)


def _view(tensor: Tensor, numbers: dict[str, np.ndarray]) -> np.ndarray:
    """Copy the tensor out of its storage; strides need not be row-major, since PyTorch saves transposed views."""
    storage = numbers[tensor.storage.key]
    steps = zip(tensor.shape, tensor.strides, strict=True)
    # as_strided checks nothing: the last number that a view touches must lie inside, and none may come twice.
    last = tensor.offset + sum((side - 1) * stride for side, stride in steps)
    least = min((tensor.offset, *tensor.shape, *tensor.strides))
    if least < 0 or 0 in tensor.shape or last >= len(storage) or math.prod(tensor.shape) > len(storage):
        raise ValueError(f"a tensor of shape {tensor.shape} beyond its storage")
    strides = [stride * storage.itemsize for stride in tensor.strides]
    return np.lib.stride_tricks.as_strided(storage[tensor.offset :], tensor.shape, strides, writeable=False).copy()


class _Global(NamedTuple):
    """A name that a pickle mentions; never the thing itself."""

    name: str


class _Machine:
    """The stack machine of pickles, cut down to what holds data."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}

    def run(self) -> Any:
        """Return the value of the pickle at the file's position, which moves behind it."""
        for opcode, argument, _ in pickletools.genops(self._file):
            if opcode.name == "STOP":
                return self._stack.pop()
            if opcode.name not in _OPCODES:
                raise ValueError(f"opcode {opcode.name}")
            _OPCODES[opcode.name](self, argument)
        raise ValueError("a pickle without end")

    def push(self, value: Any) -> None:
        self._stack.append(value)

    def nothing(self, _: Any) -> None:
        """Ignore an opcode without a value."""

    def mark(self, _: None) -> None:
        self._marks.append(len(self._stack))

    def since_mark(self) -> list[Any]:
        start = self._marks.pop()
        values = self._stack[start:]
        del self._stack[start:]
        return values

    def last(self, count: int) -> list[Any]:
        values = self._stack[len(self._stack) - count :]
        del self._stack[len(self._stack) - count :]
        return values

    def put(self, key: int) -> None:
        self._memo[key] = self._stack[-1]

    def get(self, key: int) -> None:
        self.push(self._memo[key])

    def set_items(self, items: list[Any]) -> None:
        self._stack[-1].update(zip(items[::2], items[1::2], strict=True))

    def append(self, values: list[Any]) -> None:
        self._stack[-1].extend(values)

    def name(self, argument: str) -> None:
        if argument not in _GLOBALS:
            raise ValueError(f"the name {argument!r}")
        self.push(_Global(argument))

    def reduce(self, _: None) -> None:
        """Replace a call by that of our function in the table."""
        function, arguments = self.last(2)
        self.push(_GLOBALS[function.name](*arguments))

    def persistent(self, _: None) -> None:
        """Push a storage, described as ("storage", its class, key, device, number of elements, None)."""
        _kind, kind, key, *_rest = self._stack.pop()
        self.push(Storage(key, STORAGES[kind.name.split()[-1]]))

    def build(self, _: None) -> None:
        """Ignore attributes of the object below: the version numbers of modules."""
        self._stack.pop()


def _tensor(storage: Storage, offset: int, shape: tuple, strides: tuple, *_grad_and_hooks: Any) -> Tensor:
    return Tensor(storage, offset, shape, strides)


def _refuse(*_: Any) -> None:
    raise ValueError("a storage called as a function")


_GLOBALS: dict[str, Callable[..., Any]] = {
    "collections OrderedDict": dict,
    "torch._utils _rebuild_tensor_v2": _tensor,
    **{f"torch {name}": _refuse for name in STORAGES},
}
_OPCODES: dict[str, Callable[[_Machine, Any], None]] = {
    **dict.fromkeys(("PROTO", "FRAME"), _Machine.nothing),
    **dict.fromkeys(("BINUNICODE", "BININT", "BININT1", "BININT2", "LONG1"), _Machine.push),
    **dict.fromkeys(("BINPUT", "LONG_BINPUT"), _Machine.put),
    **dict.fromkeys(("BINGET", "LONG_BINGET"), _Machine.get),
    "NONE": lambda machine, _: machine.push(None),
    "NEWTRUE": lambda machine, _: machine.push(True),
    "NEWFALSE": lambda machine, _: machine.push(False),
    "EMPTY_DICT": lambda machine, _: machine.push({}),
    "EMPTY_LIST": lambda machine, _: machine.push([]),
    "EMPTY_TUPLE": lambda machine, _: machine.push(()),
    "MARK": _Machine.mark,
    "TUPLE": lambda machine, _: machine.push(tuple(machine.since_mark())),
    "TUPLE1": lambda machine, _: machine.push(tuple(machine.last(1))),
    "TUPLE2": lambda machine, _: machine.push(tuple(machine.last(2))),
    "TUPLE3": lambda machine, _: machine.push(tuple(machine.last(3))),
    "SETITEM": lambda machine, _: machine.set_items(machine.last(2)),
    "SETITEMS": lambda machine, _: machine.set_items(machine.since_mark()),
    "APPEND": lambda machine, _: machine.append(machine.last(1)),
    "APPENDS": lambda machine, _: machine.append(machine.since_mark()),
    "GLOBAL": _Machine.name,
    "REDUCE": _Machine.reduce,
    "BINPERSID": _Machine.persistent,
    "BUILD": _Machine.build,
}
