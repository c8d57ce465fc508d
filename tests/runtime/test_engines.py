"""Engines are found by their file's name, and what is wrong with a model is one sentence."""

import importlib.util
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from runtime import engines
from runtime.errors import EngineError

needs_openvino = pytest.mark.skipif(not importlib.util.find_spec("openvino"), reason="OpenVINO is not installed")


def expect(sentence, name, directory):
    with pytest.raises(EngineError, match=f"^{re.escape(sentence)}$"):
        engines.load(name, directory)


def save_twice(directory: Path, further: tuple[str, ...] = ()) -> None:
    """An IR with the engine contract: one box whose corner is twice the first pixel's colour; `further` outputs too."""
    import openvino as ov
    from openvino import opset13 as ops

    pixels = ops.parameter([1, 2, 2, 3], ov.Type.u8, "pixels")
    pixels.output(0).set_names({"pixels"})
    values = ops.convert(pixels, "f32")
    first = ops.slice(ops.reshape(values, [1, 4, 3], False), [0, 0, 0], [1, 1, 3], [1, 1, 1])
    boxes = ops.concat([ops.multiply(first, np.float32(2)), ops.constant(np.full((1, 1, 1), 8, np.float32))], 2)
    scores = ops.constant(np.array([[[0.25, 0.75]]], np.float32))
    results = [ops.result(boxes), ops.result(scores), *(ops.result(ops.negative(scores)) for _ in further)]
    for result, name in zip(results, ("boxes", "scores", *further), strict=True):
        result.output(0).set_names({name})
    ov.save_model(ov.Model(results, [pixels], "twice"), directory / "model.xml", compress_to_fp16=False)


def test_names_are_the_files():
    assert engines.names() == ["openvino", "tensorflow"]


def test_a_graph_for_one_image_is_run_once_for_each():
    pixels = np.arange(2 * 2 * 2 * 3, dtype=np.uint8).reshape(2, 2, 2, 3)
    seen = []

    def run(one):
        seen.append(one.shape)
        return {"boxes": one.reshape(1, 3, 4)}

    assert np.array_equal(engines.one_by_one(run, pixels)["boxes"], pixels.reshape(2, 3, 4))
    assert seen == [(1, 2, 2, 3)] * 2


def test_unknown_engine(tmp_path):
    expect("MODEL_ENGINE: unknown engine 'onnx'; expected one of: openvino, tensorflow.", "onnx", tmp_path)


def test_engine_that_is_not_installed(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "openvino", None)
    monkeypatch.delitem(__import__("sys").modules, "runtime.engines.openvino", raising=False)
    expect(
        "openvino: import of openvino halted; None in sys.modules; expected the engine to be installed. "
        "Install its package or use another variant.",
        "openvino",
        tmp_path,
    )


@needs_openvino
def test_openvino_answers_with_the_contract(tmp_path):
    save_twice(tmp_path)
    engine = engines.load("openvino", tmp_path)
    pixels = np.zeros((1, 2, 2, 3), np.uint8)
    pixels[0, 0, 0] = (1, 2, 3)
    first = engine.run(pixels)
    assert first["boxes"].tolist() == [[[2, 4, 6, 8]]]
    assert first["scores"].tolist() == [[[0.25, 0.75]]]
    assert first["boxes"].dtype == first["scores"].dtype == np.float32
    engine.run(pixels * 2)
    assert first["boxes"].tolist() == [[[2, 4, 6, 8]]]  # an answer is not overwritten by the next


@needs_openvino
def test_openvino_passes_on_what_masks_are_made_of_and_no_other_output(tmp_path):
    save_twice(tmp_path, further=("masks", "features"))
    answer = engines.load("openvino", tmp_path).run(np.zeros((2, 2, 2, 3), np.uint8))
    assert set(answer) == {"boxes", "scores", "masks"}
    assert len(answer["masks"]) == 2


@needs_openvino
def test_openvino_without_a_model(tmp_path):
    path = tmp_path / "model.xml"
    expect(f"{path}: no such file; expected the model's IR. Build the function again.", "openvino", tmp_path)


@needs_openvino
def test_openvino_with_a_broken_model(tmp_path):
    (tmp_path / "model.xml").write_text("<net>")
    with pytest.raises(EngineError) as caught:
        engines.load("openvino", tmp_path)
    path = re.escape(str(tmp_path / "model.xml"))
    assert re.fullmatch(rf"{path}: OpenVINO cannot load it \(.+\)\. Build the function again\.", str(caught.value))


@needs_openvino
@pytest.mark.parametrize("threads", ["0", "two", "-1", "1.5"])
def test_threads_that_are_none(tmp_path, monkeypatch, threads):
    monkeypatch.setenv("MODEL_THREADS", threads)
    sentence = f"MODEL_THREADS: {threads!r}; expected a whole number from 1 on, or nothing."
    expect(sentence, "openvino", tmp_path)


@needs_openvino
def test_threads_are_obeyed(tmp_path, monkeypatch):
    save_twice(tmp_path)
    monkeypatch.setenv("MODEL_THREADS", "1")
    assert "1 thread," in engines.load("openvino", tmp_path).device


@needs_openvino
def test_openvino_answers_a_batch_image_by_image(tmp_path):
    save_twice(tmp_path)
    engine = engines.load("openvino", tmp_path)
    pixels = np.zeros((3, 2, 2, 3), np.uint8)
    pixels[:, 0, 0] = [(1, 2, 3), (4, 5, 6), (7, 8, 9)]
    together = engine.run(pixels)
    alone = [engine.run(pixels[row : row + 1]) for row in range(3)]
    for name in ("boxes", "scores"):
        np.testing.assert_array_equal(together[name], np.concatenate([answer[name] for answer in alone]))
    assert together["boxes"][:, 0].tolist() == [[2, 4, 6, 8], [8, 10, 12, 8], [14, 16, 18, 8]]


@needs_openvino
def test_openvino_does_not_tie_its_threads_to_cores(tmp_path):
    import openvino as ov

    save_twice(tmp_path)
    engine = engines.load("openvino", tmp_path)
    compiled = engine._request.get_compiled_model()
    assert compiled.get_property("ENABLE_CPU_PINNING") is False
    assert compiled.get_property("INFERENCE_PRECISION_HINT") == ov.Type.f32


@needs_openvino
def test_a_cache_of_compiled_models(tmp_path, monkeypatch):
    save_twice(tmp_path)
    cache = tmp_path / "deep" / "cache"
    monkeypatch.setenv("MODEL_CACHE", str(cache))
    engines.load("openvino", tmp_path)
    assert [path.suffix for path in cache.iterdir()] == [".blob"]
    pixels = np.zeros((1, 2, 2, 3), np.uint8)
    assert engines.load("openvino", tmp_path).run(pixels)["scores"].tolist() == [[[0.25, 0.75]]]


@needs_openvino
def test_a_cache_that_cannot_be_written(tmp_path, monkeypatch):
    save_twice(tmp_path)
    cache = tmp_path / "file" / "cache"
    cache.parent.write_text("")
    monkeypatch.setenv("MODEL_CACHE", str(cache))
    expect(f"MODEL_CACHE: {cache}: Not a directory; expected a folder that can be written.", "openvino", tmp_path)


@pytest.mark.slow
def test_tensorflow_without_a_model_and_with_a_broken_one(tmp_path):
    pytest.importorskip("tensorflow")
    path = tmp_path / "saved_model"
    expect(f"{path}: no such folder; expected a SavedModel. Build the function again.", "tensorflow", tmp_path)
    path.mkdir()
    with pytest.raises(EngineError) as caught:
        engines.load("tensorflow", tmp_path)
    assert re.fullmatch(
        rf"{re.escape(str(path))}: TensorFlow cannot load it \(.+\)\. Build the function again\.",
        str(caught.value),
    )


@pytest.mark.slow
def test_tensorflow_without_a_gpu_says_so_and_takes_a_batch_in_one_call(squares_export, monkeypatch):
    tensorflow = pytest.importorskip("tensorflow")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    engine = engines.load("tensorflow", squares_export)
    assert engine.device == f"CPU, TensorFlow {tensorflow.__version__}"
    assert engine.warning == (
        "TensorFlow sees no GPU, with CUDA_VISIBLE_DEVICES='3'; expected one. The model runs on the CPU, slowly: give "
        "the container a GPU, or deploy the CPU variant."
    )
    assert not tensorflow.config.experimental.tensor_float_32_execution_enabled()
    pixels = np.random.default_rng(0).integers(0, 255, (2, 48, 64, 3), np.uint8)
    together = engine.run(pixels)
    for row in range(2):
        alone = engine.run(pixels[row : row + 1])
        np.testing.assert_array_equal(together["boxes"][row], alone["boxes"][0])
        np.testing.assert_allclose(together["scores"][row], alone["scores"][0], atol=1e-6)


@pytest.mark.slow
def test_tensorflow_takes_the_memory_of_gpus_as_it_needs_it_and_names_them(squares_export, monkeypatch):
    """Two GPUs that are none: what is asked of them before the model is loaded, and what the log will say."""
    tensorflow = pytest.importorskip("tensorflow")
    gpus = [SimpleNamespace(name=f"/physical_device:GPU:{number}") for number in range(2)]
    asked = []
    config, loaded = tensorflow.config, tensorflow.saved_model.load
    monkeypatch.setattr(config, "list_physical_devices", lambda kind: gpus if kind == "GPU" else [])
    monkeypatch.setattr(config.experimental, "set_memory_growth", lambda gpu, grows: asked.append((gpu, grows)))
    monkeypatch.setattr(config.experimental, "get_device_details", lambda gpu: {"device_name": "NVIDIA H100"})
    monkeypatch.setattr(tensorflow.saved_model, "load", lambda path: asked.append("load") or loaded(path))
    engine = engines.load("tensorflow", squares_export)
    assert asked == [(gpus[0], True), (gpus[1], True), "load"]
    assert engine.device == f"GPU 0 (NVIDIA H100), GPU 1 (NVIDIA H100), TensorFlow {tensorflow.__version__}"
    assert engine.warning == ""
