"""The pickles of a PyTorch checkpoint, without PyTorch and without unpickling.

Unpickling runs any code in the file. Here `pickletools.genops`, which only names the opcodes of a pickle, feeds a
machine that knows the few of them that dictionaries of tensors need. It builds numbers, texts, tuples, lists,
dictionaries and `Tensor` records; a global name is looked up in a table and never imported. Anything else is refused.
"""

import io
import pickletools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

STORAGES: dict[str, np.dtype[Any]] = {
    "FloatStorage": np.dtype("<f4"),
    "DoubleStorage": np.dtype("<f8"),
    "HalfStorage": np.dtype("<f2"),
    "LongStorage": np.dtype("<i8"),
    "IntStorage": np.dtype("<i4"),
    "ByteStorage": np.dtype("u1"),
    "BoolStorage": np.dtype("u1"),
}
# A checkpoint of 500 tensors, with an optimizer, has some 60,000.
_MAX_OPCODES = 1_000_000
_MAX_ARGUMENTS = 8
_LARGEST_KEY = 1 << 31


class Storage(NamedTuple):
    """A named run of numbers, which lies elsewhere in the file."""

    key: str
    dtype: np.dtype


class Tensor(NamedTuple):
    """A view into a storage; offset and strides count elements."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def load(file: io.BytesIO) -> tuple[Any, dict[str, Storage]]:
    """Return the value of the pickle at the file's position, which moves behind it, and the storages by their keys.

    The file is in memory: reading from it then allocates no more than there is, whatever lengths a pickle claims.

    Raises:
        ValueError, LookupError, TypeError or AttributeError: It is no pickle, or holds anything but data.
    """
    machine = _Machine(file)
    return machine.run(), machine.storages


class _Global(NamedTuple):
    """A name that a pickle mentions; never the thing itself."""

    name: str


class _Machine:
    """The stack machine of pickles, cut down to what holds data."""

    def __init__(self, file: io.BytesIO) -> None:
        self._file = file
        self._stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}
        self.storages: dict[str, Storage] = {}

    def run(self) -> Any:
        for count, (opcode, argument, _) in enumerate(pickletools.genops(self._file)):
            if opcode.name == "STOP":
                return self._stack.pop()
            if opcode.name not in _OPCODES:
                raise ValueError(f"opcode {opcode.name}")
            if count >= _MAX_OPCODES:
                raise ValueError(f"a pickle of more than {_MAX_OPCODES} opcodes")
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
        values = self._stack[-count:]
        del self._stack[-count:]
        return values

    def put(self, key: int) -> None:
        self._memo[key] = self._stack[-1]

    def get(self, key: int) -> None:
        self.push(self._memo[key])

    def set_items(self, items: list[Any]) -> None:
        keys, values = items[::2], items[1::2]
        # The hash of nested tuples takes exponential time, and large numbers may all have the same.
        if not all(isinstance(key, str) or (isinstance(key, int) and abs(key) < _LARGEST_KEY) for key in keys):
            raise ValueError("a key that is neither text nor a small number")
        self._stack[-1].update(zip(keys, values, strict=True))

    def append(self, values: list[Any]) -> None:
        self._stack[-1].extend(values)

    def name(self, argument: str) -> None:
        if argument not in _GLOBALS:
            raise ValueError(f"the name {argument!r}")
        self.push(_Global(argument))

    def reduce(self, _: None) -> None:
        """Replace a call by that of our function in the table."""
        function, arguments = self.last(2)
        if not isinstance(arguments, tuple) or len(arguments) > _MAX_ARGUMENTS:
            raise ValueError(f"the arguments of {function.name!r}")
        self.push(_GLOBALS[function.name](*arguments))

    def persistent(self, _: None) -> None:
        """Push a storage, described as ("storage", its class, key, device, number of elements)."""
        _kind, kind, key, *_rest = self._stack.pop()
        if not isinstance(key, str):
            raise ValueError("a storage without a key")
        self.storages[key] = Storage(key, STORAGES[kind.name.split()[-1]])
        self.push(self.storages[key])

    def build(self, _: None) -> None:
        """Ignore attributes of the object below: the version numbers of modules."""
        self._stack.pop()


def _tensor(storage: Storage, offset: int, shape: tuple, strides: tuple, *_grad_and_hooks: Any) -> Tensor:
    if not isinstance(storage, Storage):
        raise ValueError("a tensor without a storage")
    return Tensor(storage, offset, shape, strides)


def _parameter(tensor: Tensor, *_grad_and_hooks: Any) -> Tensor:
    return tensor


def _ignore(*_: Any) -> None:
    """Stand for a NumPy number, as a score that is kept beside the weights."""


def _refuse(*_: Any) -> None:
    raise ValueError("a storage called as a function")


_GLOBALS: dict[str, Callable[..., Any]] = {
    "collections OrderedDict": lambda: {},
    "torch._utils _rebuild_tensor_v2": _tensor,
    "torch._utils _rebuild_parameter": _parameter,
    "numpy dtype": _ignore,
    "numpy.core.multiarray scalar": _ignore,
    "numpy._core.multiarray scalar": _ignore,
    "_codecs encode": _ignore,
    **{f"torch {name}": _refuse for name in STORAGES},
}
_OPCODES: dict[str, Callable[[_Machine, Any], None]] = {
    **dict.fromkeys(("PROTO", "FRAME"), _Machine.nothing),
    **dict.fromkeys(("BINUNICODE", "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"), _Machine.push),
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
