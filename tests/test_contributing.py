"""The worked examples of CONTRIBUTING.md work."""

import re
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

TEXT = (Path(__file__).parents[1] / "CONTRIBUTING.md").read_text(encoding="utf-8")


def example(section: str) -> ModuleType:
    """The first block of Python under a heading, as a module."""
    block = re.search(r"```python\n(.*?)```", TEXT.partition(f"## {section}")[2], re.DOTALL)[1]
    module = ModuleType("example")
    exec(compile(block, "CONTRIBUTING.md", "exec"), module.__dict__)
    return module


def test_the_format_reads_what_it_writes(tmp_path):
    boxes = example("Add an annotation format")
    (tmp_path / "images").mkdir()
    for name in ("a.png", "b.png"):
        Image.new("RGB", (20, 10)).save(tmp_path / "images" / name)
    (tmp_path / "boxes.csv").write_text("image,label,x1,y1,x2,y2\na.png,cat,1,2,10,8\na.png,dog,0,0,5.5,5\n")
    export = boxes.read(tmp_path)

    assert boxes.recognise(tmp_path)
    assert export.labels == ("cat", "dog")
    assert [(frame.name, [shape.box for shape in frame.shapes]) for frame in export.frames] == [
        ("a.png", [(1, 2, 10, 8), (0, 0, 5.5, 5)]),
        ("b.png", []),
    ]
    for name, content in boxes.write(export).items():
        (tmp_path / name).write_bytes(content)
    assert boxes.read(tmp_path) == export


def test_the_adapter_decodes_the_same_in_both_texts():
    ov = pytest.importorskip("openvino")
    adapter = example("Add an adapter for `preannotate import`")
    from builder.imports.layout import Layout

    rows = np.random.default_rng(0).random((1, 7, 5 + 3), np.float32)
    layout = Layout((64, 48), 3, 0)
    source = ov.opset13.parameter([1, 7, 8], np.float32, name="detections")
    compiled = ov.compile_model(ov.Model(list(adapter.graph([source], layout, ov.opset13)), [source]), "CPU")
    served = compiled(rows)

    assert adapter.match({"detections": (1, 7, 8)}, (64, 48)).num_classes == 3
    assert adapter.match({"boxes": (1, 7, 8)}, (64, 48)) is None
    for index, expected in enumerate(adapter.decode([rows], layout)):
        np.testing.assert_allclose(served[index], expected, atol=1e-6)


@pytest.mark.slow
def test_the_model_family_builds_a_network():
    (family,) = example("Add a model family").FAMILIES
    backbone = family.build_backbone(input_size=(96, 64), alpha=1.0)
    network = family.build(num_classes=2, input_size=(96, 64), aspects=(1.0,), backbone=backbone)
    outputs = network.predict(np.zeros((1, 64, 96, 3), np.uint8))
    boxes, scores = outputs["boxes"], outputs["scores"]

    assert boxes.shape[0] == scores.shape[0] == 1
    assert (boxes.shape[1], boxes.shape[2], scores.shape[2]) == (scores.shape[1], 4, 2)
