"""Which graphs are converted: those with the outputs of the engine contract, and none with half of those for masks."""

from pathlib import Path

import numpy as np
import pytest

from builder import openvino_ir

ov = pytest.importorskip("openvino")


def _save(path: Path, outputs: tuple[str, ...]) -> None:
    ops = ov.opset13
    pixels = ops.parameter([1, 2, 2, 3], ov.Type.u8, "pixels")
    pixels.output(0).set_names({"pixels"})
    results = []
    for name in outputs:
        results.append(ops.result(ops.multiply(ops.convert(pixels, "f32"), np.float32(2))))
        results[-1].output(0).set_names({name})
    ov.save_model(ov.Model(results, [pixels], "any"), path)


@pytest.mark.parametrize(
    "of_masks",
    [
        (),
        ("masks",),
        ("prototypes", "mask_coefficients"),
        ("mask_locations", "mask_kernels", "mask_features"),
    ],
)
def test_a_graph_with_the_engine_contract_is_converted(tmp_path: Path, of_masks: tuple[str, ...]) -> None:
    outputs = (*of_masks, "scores", "boxes")
    _save(tmp_path / "source.xml", outputs)
    openvino_ir.main(str(tmp_path / "source.xml"), str(tmp_path / "model.xml"), "2", "2", "f16")
    written = ov.Core().read_model(tmp_path / "model.xml")
    assert {name for output in written.outputs for name in output.get_names()} == set(outputs)


@pytest.mark.parametrize(
    "outputs",
    [
        ("boxes",),
        ("boxes", "scores", "prototypes"),
        ("boxes", "scores", "masks", "more"),
        ("boxes", "scores", "masks", "prototypes", "mask_coefficients"),
    ],
)
def test_another_graph_is_refused(tmp_path: Path, outputs: tuple[str, ...]) -> None:
    _save(tmp_path / "source.xml", outputs)
    with pytest.raises(SystemExit, match="expected the input pixels, the outputs boxes and scores, and for masks one"):
        openvino_ir.main(str(tmp_path / "source.xml"), str(tmp_path / "model.xml"), "2", "2", "f16")
