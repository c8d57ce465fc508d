"""The networks are drawn here, operation by operation, and written as any exporter would."""

import os
import re
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from trainer.errors import TrainingError
from trainer.onnx_weights import read_convolutions

SHARED = Path(os.environ.get("PREANNOTATE_SHARED", Path(__file__).parents[3] / "shared"))
RNG = np.random.default_rng(0)
KERNEL = RNG.normal(size=(4, 3, 3, 3)).astype(np.float32)
DEPTHWISE = RNG.normal(size=(4, 1, 3, 3)).astype(np.float32)
BIAS = np.arange(4, dtype=np.float32)


def tensor(name, values):
    return numpy_helper.from_array(np.asarray(values), name)


def write(path, nodes, tensors):
    pixels = helper.make_tensor_value_info("pixels", TensorProto.FLOAT, [1, 3, 8, 8])
    output = helper.make_tensor_value_info("output", TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, "network", [pixels], [output], tensors)
    path.write_bytes(helper.make_model(graph).SerializeToString())
    return path


def conv(*inputs, output="output", **attributes):
    return helper.make_node("Conv", inputs, [output], **attributes)


def refused(path, found):
    sentence = (
        f"{path.name}: {found}; expected an ONNX file with its weights inside. "
        f"Export the network again, or fetch the file again."
    )
    with pytest.raises(TrainingError, match=f"^{re.escape(sentence)}$"):
        read_convolutions(path)


def test_kernels_come_in_the_order_in_which_they_run_and_not_in_that_of_the_tensors(tmp_path):
    nodes = [conv("pixels", "first", "bias", output="a"), conv("a", "second", group=4)]
    path = write(
        tmp_path / "net.onnx", nodes, [tensor("second", DEPTHWISE), tensor("bias", BIAS), tensor("first", KERNEL)]
    )

    first, second = read_convolutions(path)

    np.testing.assert_array_equal(first.kernel, KERNEL)
    np.testing.assert_array_equal(first.bias, BIAS)
    np.testing.assert_array_equal(second.kernel, DEPTHWISE)
    assert second.bias is None


def test_constants_and_other_names_of_a_tensor_are_followed(tmp_path):
    nodes = [
        helper.make_node("Constant", [], ["kernel"], value=tensor("", KERNEL)),
        helper.make_node("Identity", ["bias"], ["same"]),
        conv("pixels", "kernel", "same"),
    ]
    [found] = read_convolutions(write(tmp_path / "net.onnx", nodes, [tensor("bias", BIAS)]))

    np.testing.assert_array_equal(found.kernel, KERNEL)
    np.testing.assert_array_equal(found.bias, BIAS)


def test_half_precision_becomes_float32(tmp_path):
    [found] = read_convolutions(
        write(tmp_path / "net.onnx", [conv("pixels", "kernel")], [tensor("kernel", KERNEL.astype(np.float16))])
    )

    assert found.kernel.dtype == np.float32
    np.testing.assert_allclose(found.kernel, KERNEL, rtol=1e-3)


def test_a_batch_normalisation_behind_a_convolution_is_folded_in(tmp_path):
    gamma, beta, mean, variance = np.array([[2, 1, 1, 1], [0, 3, 0, 0], [1, 0, 0, 0], [3, 1, 1, 1]], np.float32)
    nodes = [
        conv("pixels", "kernel", "bias", output="a"),
        helper.make_node("BatchNormalization", ["a", "gamma", "beta", "mean", "variance"], ["output"], epsilon=1.0),
    ]
    tensors = {"kernel": KERNEL, "bias": BIAS, "gamma": gamma, "beta": beta, "mean": mean, "variance": variance}
    path = write(tmp_path / "net.onnx", nodes, [tensor(name, values) for name, values in tensors.items()])

    [found] = read_convolutions(path)

    # Channel 0: 2 / sqrt(3 + 1) = 1, (0 - 1) * 1 + 0 = -1. The others: 1 / sqrt(1 + 1), bias / sqrt(2) + beta.
    np.testing.assert_allclose(found.kernel[0], KERNEL[0], rtol=1e-6)
    np.testing.assert_allclose(found.kernel[1], KERNEL[1] / np.sqrt(2), rtol=1e-6)
    np.testing.assert_allclose(found.bias, [-1, 1 / np.sqrt(2) + 3, np.sqrt(2), 3 / np.sqrt(2)], rtol=1e-6)


def test_weights_in_another_file_are_refused_and_that_file_is_not_read(tmp_path):
    other = tensor("kernel", KERNEL)
    onnx.external_data_helper.set_external_data(other, "../secret.bin")
    other.data_location = TensorProto.EXTERNAL
    other.ClearField("raw_data")
    (tmp_path / "secret.bin").write_bytes(KERNEL.tobytes())
    folder = tmp_path / "folder"
    folder.mkdir()

    refused(write(folder / "net.onnx", [conv("pixels", "kernel")], [other]), "its weights lie in another file")


@pytest.mark.parametrize(
    ("dims", "found"),
    [
        ([10**6, 10**6, 1000, 1000], "a tensor of shape (1000000, 1000000, 1000, 1000) with 108 numbers"),
        ([-1, 3, 3, 3], "a tensor of shape (18446744073709551615, 3, 3, 3) with 108 numbers"),
        ([0, 3, 3, 3], "a tensor of shape (0, 3, 3, 3) with 108 numbers"),
        ([1] * 1000, "a tensor of shape (1, 1, 1, 1, 1, 1, 1, 1, 1) with 108 numbers"),
        ([36, 3], "a convolution with a kernel of shape (36, 3)"),
        ([108], "a convolution with a kernel of shape (108,)"),
    ],
)
def test_a_tensor_of_another_size_than_it_says_is_refused(tmp_path, dims, found):
    odd = tensor("kernel", KERNEL)
    del odd.dims[:]
    odd.dims.extend(dims)
    path = write(tmp_path / "net.onnx", [conv("pixels", "kernel")], [odd])

    with pytest.raises(TrainingError, match=rf"^net\.onnx: {re.escape(found)}"):
        read_convolutions(path)


@pytest.mark.parametrize(
    ("nodes", "tensors", "found"),
    [
        ([conv("pixels", "kernel")], [("kernel", KERNEL), ("kernel", KERNEL)], "two tensors called 'kernel'"),
        ([conv("pixels", "kernel")], [], "no weights called 'kernel'"),
        ([conv("pixels")], [], "a convolution without a kernel"),
        ([helper.make_node("Relu", ["pixels"], ["output"])], [], "no convolution in it"),
        ([], [], "no network in it"),
        ([conv("pixels", "kernel")], [("kernel", KERNEL * np.nan)], "weights that are not finite"),
        (
            [conv("pixels", "kernel")],
            [("kernel", KERNEL.astype(np.int8))],
            "weights that are no floating-point numbers",
        ),
        (
            [conv("pixels", "kernel", "bias")],
            [("kernel", KERNEL), ("bias", BIAS[:3])],
            "a convolution with a kernel of shape (4, 3, 3, 3) and a bias of shape (3,)",
        ),
        ([helper.make_node("Constant", [], ["kernel"]), conv("pixels", "kernel")], [], "no weights called 'kernel'"),
    ],
)
def test_networks_that_cannot_be_read_are_refused(tmp_path, nodes, tensors, found):
    refused(write(tmp_path / "net.onnx", nodes, [tensor(*one) for one in tensors]), found)


def test_numbers_may_lie_in_the_field_of_their_type(tmp_path):
    tensors = [
        helper.make_tensor("kernel", TensorProto.FLOAT, KERNEL.shape, KERNEL.flatten().tolist()),
        helper.make_tensor("bias", TensorProto.DOUBLE, BIAS.shape, BIAS.tolist()),
    ]
    assert not any(one.raw_data for one in tensors)
    [found] = read_convolutions(write(tmp_path / "net.onnx", [conv("pixels", "kernel", "bias")], tensors))

    np.testing.assert_array_equal(found.kernel, KERNEL)
    np.testing.assert_array_equal(found.bias, BIAS)


@pytest.mark.parametrize("message", [b"\x0a\x00", b"\x2a\x00", b"\x08\x01"])
def test_a_file_of_very_many_messages_is_refused(tmp_path, message):
    """Two bytes each: an empty node, an empty tensor, a number."""
    path = tmp_path / "net.onnx"
    content = message * 250_000
    size = bytes([len(content) >> shift & 0x7F | (0x80 if shift < 28 else 0) for shift in range(0, 35, 7)])
    path.write_bytes(b"\x3a" + size + content)

    refused(path, "too many fields")


def test_convolutions_that_share_a_large_kernel_do_not_fill_the_memory(tmp_path):
    large = np.zeros((1024, 1024, 1, 1), np.float32)  # 4 MiB, and 300 copies of it
    nodes = [conv("pixels", "kernel", output=f"a{number}") for number in range(300)]

    refused(write(tmp_path / "net.onnx", nodes, [tensor("kernel", large)]), "more than 256 MiB of kernels")


def test_other_files_are_refused(tmp_path):
    whole = write(tmp_path / "whole.onnx", [conv("pixels", "kernel")], [tensor("kernel", KERNEL)]).read_bytes()
    path = tmp_path / "net.onnx"
    for content in (
        b"",
        b"\x00" * 64,
        b"PK\x03\x04",
        b"<html>not found</html>",
        *(whole[:n] for n in (1, 50, 200, 400)),
    ):
        path.write_bytes(content)
        with pytest.raises(TrainingError, match=r"^net\.onnx: .*; expected an ONNX file"):
            read_convolutions(path)

    path.write_bytes(whole)
    with pytest.raises(TrainingError, match="more than 0 MiB"):
        read_convolutions(path, max_bytes=len(whole) - 1)
    refused(tmp_path / "missing.onnx", "is no file")
    os.mkfifo(tmp_path / "pipe")
    refused(tmp_path / "pipe", "is no file")


@pytest.mark.skipif(not (SHARED / "weights/yolox_nano.onnx").is_file(), reason="needs PREANNOTATE_SHARED")
def test_the_published_network_is_read():
    found = read_convolutions(SHARED / "weights/yolox_nano.onnx")

    assert len(found) == 113
    assert (found[0].kernel.shape, found[1].kernel.shape) == ((16, 12, 3, 3), (16, 1, 3, 3))
    assert sorted({one.kernel.shape for one in found if one.kernel.shape[0] in (80, 4, 1)}) == [
        (1, 64, 1, 1),
        (4, 64, 1, 1),
        (80, 64, 1, 1),
    ]
