import contextlib
import pickle
import re
import struct
import zipfile
from collections import OrderedDict

import numpy as np
import pytest
from support.torch_files import FloatStorage, HalfStorage, LongStorage, Tensor, archive, checkpoint

from trainer import torch_checkpoint
from trainer.errors import TrainingError
from trainer.torch_checkpoint import MAGIC


def refused(path, found):
    sentence = f"{path.name}: {found}; expected a checkpoint of tensors as PyTorch writes it. Fetch the file again."
    with pytest.raises(TrainingError, match=f"^{re.escape(sentence)}$"):
        torch_checkpoint.read(path)


def weights(**other):
    return OrderedDict(x=Tensor(FloatStorage, "0", 0, (12,), (1,)), **other)


NUMBERS = np.arange(12, dtype="<f4")


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
        ((2**70, (1,), (1,)), "a tensor of shape (1,) beyond its storage"),
        ((0, (2**70,), (0,)), f"a tensor of shape ({2**70},) beyond its storage"),
        ((0, (1,) * 9, (1,) * 9), "a tensor of 9 dimensions"),
        # A number times a text would repeat it.
        ((0, (2**60,), ("x",)), "a tensor whose shape is not of numbers"),
        ((0, (2**60,), ((1,),)), "a tensor whose shape is not of numbers"),
        ((0.5, (1,), (1,)), "a tensor whose shape is not of numbers"),
        ((True, (1,), (1,)), "a tensor whose shape is not of numbers"),
    ],
)
def test_a_view_beyond_its_storage_is_refused(tmp_path, view, found):
    tensors = OrderedDict(x=Tensor(FloatStorage, "a", *view))
    path = checkpoint(tmp_path / "model.pth", tensors, {"a": np.arange(12, dtype="<f4")})

    refused(path, found)
    refused(archive(path, tensors, {"a": NUMBERS}), found)


def test_a_file_that_is_cut_off_is_refused(tmp_path):
    tensors = OrderedDict(x=Tensor(FloatStorage, "a", 0, (12,), (1,)))
    path = checkpoint(tmp_path / "model.pth", tensors, {"a": np.arange(12, dtype="<f4")})
    whole = path.read_bytes()

    for length in (0, 5, 40, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(TrainingError, match=r"^model\.pth: .*; expected a checkpoint of tensors"):
            torch_checkpoint.read(path)


@pytest.mark.parametrize(
    "content", [b"PK\x03\x04newer", b"PK\x05\x06" + bytes(18), b"\x00" * 64, b"no checkpoint", pickle.dumps([1, 2])]
)
def test_other_files_are_refused(tmp_path, content):
    path = tmp_path / "model.pth"
    path.write_bytes(content)

    with pytest.raises(TrainingError, match=r"^model\.pth: .*; expected a checkpoint of tensors"):
        torch_checkpoint.read(path)


def test_a_zip_archive_is_read_as_the_older_format(tmp_path):
    tensors = OrderedDict(
        turned=Tensor(FloatStorage, "0", 0, (4, 3), (1, 4)),
        half=Tensor(HalfStorage, "1", 1, (2,), (1,)),
        count=Tensor(LongStorage, "2", 0, (), ()),
    )
    halves, count = np.array([1, 0.5, -2], "<f2"), np.array([7], "<i8")
    found = torch_checkpoint.read(archive(tmp_path / "a.pth", tensors, {"0": NUMBERS, "1": halves, "2": count}))

    np.testing.assert_array_equal(found["turned"], NUMBERS.reshape(3, 4).T)
    assert (found["half"].tolist(), found["half"].dtype) == ([0.5, -2.0], np.float32)
    assert (found["count"].item(), found["count"].dtype) == (7, np.int64)


def test_of_a_training_state_the_model_is_read(tmp_path):
    """As YOLOX keeps it: the optimizer's moments, rates and best score beside the weights."""
    moment = {0: {"momentum_buffer": Tensor(FloatStorage, "1", 0, (12,), (1,))}}
    optimizer = {"state": moment, "param_groups": [{"lr": 0.01, "nesterov": True, "params": [0, 1]}]}
    state = {"start_epoch": 300, "best_ap": np.float64(0.25), "model": weights(), "optimizer": optimizer, "amp": None}
    storages = {"0": NUMBERS, "1": -NUMBERS}
    older = checkpoint(tmp_path / "older.pth", state, storages)

    for path in (archive(tmp_path / "newer.pth", state, storages, folder="archive"), older):
        found = torch_checkpoint.read(path)
        assert list(found) == ["x"]
        np.testing.assert_array_equal(found["x"], NUMBERS)


def test_zip_archives_of_other_kinds_are_refused(tmp_path):
    path, storages = tmp_path / "model.pth", {"0": NUMBERS}

    refused(archive(path, weights(), storages, compression=zipfile.ZIP_DEFLATED), COMPRESSED)
    refused(archive(path, weights(), storages, more=[("other/data.pkl", b"")]), "a zip archive of another kind")
    refused(archive(path, weights(), {}), "no storage '0'")
    refused(archive(path, weights(), {"0": NUMBERS * np.nan}), "'x' has numbers that are not finite")
    refused(archive(path, OrderedDict(), storages), "no tensors in it")
    refused(archive(path, [1, 2], storages), "no tensors in it")
    refused(archive(path, {"model": weights(epoch=3)}, storages), "'epoch' is no tensor")
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("notes.txt", "no model")
    refused(path, "a zip archive of another kind")
    with pytest.warns(UserWarning, match="Duplicate name"):
        archive(path, weights(), storages, more=[("model/data/0", (-NUMBERS).tobytes())])
    refused(path, "a zip archive whose entries overlap")


COMPRESSED = "a zip archive that is compressed or encrypted"


def test_a_zip_bomb_is_refused_before_it_is_read(tmp_path):
    """A megabyte that the directory of the archive names a thousand times over."""
    path = archive(tmp_path / "model.pth", weights(), {"0": np.zeros(250_000, "<f4")})
    whole = path.read_bytes()
    with zipfile.ZipFile(path) as file:
        start = file.start_dir
        entry = next(i for i, info in enumerate(file.infolist()) if info.filename == "model/data/0")
    records = whole[start:].split(b"PK\x01\x02")[1:]
    records[-1] = records[-1].split(b"PK\x05\x06")[0]
    more = [records[entry].replace(b"model/data/0", b"model/%06d" % number) for number in range(1000)]
    directory = b"".join(b"PK\x01\x02" + record for record in (*records, *more))
    total = struct.pack("<HH", len(records) + 1000, len(records) + 1000)
    rest = struct.pack("<II", len(directory), start)
    path.write_bytes(whole[:start] + directory + b"PK\x05\x06\0\0\0\0" + total + rest + b"\0\0")
    with zipfile.ZipFile(path) as file:
        assert len(file.infolist()) == len(records) + 1000

    refused(path, "a zip archive whose entries overlap")


def test_an_archive_of_very_many_entries_is_refused_before_they_are_listed(tmp_path):
    path = tmp_path / "model.pth"
    path.write_bytes(b"PK\x03\x04" + b"PK\x01\x02" * 20_001)

    refused(path, "a zip archive of more than 20000 entries")


def test_a_hostile_zip_archive_runs_nothing(tmp_path):
    target = tmp_path / "written"
    path = archive(tmp_path / "model.pth", pickle.dumps({"model": Attack(target)}, 2), {})

    with pytest.raises(TrainingError, match=r"^model\.pth: the name '\w*io open'; expected"):
        torch_checkpoint.read(path)
    assert not target.exists()


def nested(levels):
    """Return a pickle of a dictionary whose key is a tuple of twice the tuple before it: 2 ** levels to hash."""
    return b"\x80\x02})q\x00" + b"h\x00h\x00\x86q\x00" * levels + b"h\x00Ns."


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (nested(200), "a key that is neither text nor a small number"),
        (b"\x80\x02}\x8a\x08" + (2**61 - 1).to_bytes(8, "little") + b"Ns.", "a key that is neither text nor a small"),
        (b"\x80\x02" + b"N" * 1_000_001, "a pickle of more than 1000000 opcodes"),
        (b"\x80\x02ccollections\nOrderedDict\n((ttR.", "takes 0 positional arguments"),
        (b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n(" + b"N" * 9 + b"tR.", "the arguments of 'torch._utils"),
        (b"\x80\x04\x8d" + (2**40).to_bytes(8, "little") + b"short", "expected 1099511627776 bytes"),
        (b"\x80\x02X\xff\xff\xff\x7fshort", "expected 2147483647 bytes"),
        (b"\x80\x02cos\nsystem\n.", "the name 'os system'"),
        (b"\x80\x04\x8c\x02os\x8c\x06system\x93.", "opcode SHORT_BINUNICODE"),
        (b"\x80\x02)." * 3, "no tensors in it"),
        (b"", "pickle exhausted"),
    ],
)
def test_pickles_that_would_take_time_memory_or_more_are_refused(tmp_path, content, found):
    path = archive(tmp_path / "model.pth", content, {"0": NUMBERS})

    with pytest.raises(TrainingError, match=rf"^model\.pth: .*{re.escape(found)}"):
        torch_checkpoint.read(path)


def test_tensors_that_share_a_storage_do_not_fill_the_memory(tmp_path):
    values = np.zeros(250_000, "<f4")
    many = OrderedDict((f"x{number}", Tensor(FloatStorage, "0", 0, (250_000,), (1,))) for number in range(1000))

    refused(archive(tmp_path / "model.pth", many, {"0": values}), "tensors that share too many numbers")


def test_a_length_beyond_the_file_allocates_nothing(tmp_path):
    path = checkpoint(tmp_path / "model.pth", weights(), {"0": NUMBERS})
    whole = path.read_bytes()
    for count in (13, 2**40, 2**63 - 1):
        path.write_bytes(whole[:-56] + count.to_bytes(8, "little") + whole[-48:])
        refused(path, f"a storage of {count} numbers is cut off")


def test_a_zip_archive_that_is_damaged_is_refused(tmp_path):
    path = archive(tmp_path / "model.pth", weights(), {"0": NUMBERS})
    whole = path.read_bytes()
    rng = np.random.default_rng(0)

    for length in range(4, len(whole), 37):
        path.write_bytes(whole[:length])
        with pytest.raises(TrainingError):
            torch_checkpoint.read(path)
    for _ in range(500):
        damaged = np.frombuffer(whole, np.uint8).copy()
        damaged[rng.integers(len(damaged), size=3)] = rng.integers(256, size=3)
        path.write_bytes(damaged.tobytes())
        with contextlib.suppress(TrainingError):  # anything else is a failure
            torch_checkpoint.read(path)


def test_a_file_that_is_too_large_is_no_further_read(tmp_path):
    path = archive(tmp_path / "model.pth", weights(), {"0": NUMBERS})

    with pytest.raises(TrainingError, match=r"^model\.pth: more than 0 MiB"):
        torch_checkpoint.read(path, max_bytes=100)
    refused(tmp_path / "missing.pth", "is no file")
