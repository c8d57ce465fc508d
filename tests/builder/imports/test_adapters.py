"""Each layout: a network that finds squares, as it came and with the engine contract, against where the squares are."""

import importlib
import importlib.util
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx")
pytest.importorskip("openvino")

from builder.imports import adapters, worker
from evaluation import ground_truth, reference, scores
from evaluation.parity import FLOAT_NOISE, compare
from runtime import engines
from runtime.detector import Detector
from runtime.manifest import Manifest, Postprocess


def load(name, path):
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


HERE = Path(__file__).parent
squares = load("squares", HERE.parent / "squares.py")
squares_onnx = load("squares_onnx", HERE / "squares_onnx.py")
RED = squares.LABELS[:1]
UNSET = {"order": None, "mean": None, "scale": None}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    folder = tmp_path_factory.mktemp("squares")
    squares.write_images(folder, 4)
    return folder / "validation"


@pytest.fixture(scope="module")
def red(drawn, tmp_path_factory):
    """The same images, of which only the red squares are annotated."""
    folder = tmp_path_factory.mktemp("red") / "validation"
    shutil.copytree(drawn, folder)
    images = [
        replace(image, boxes=image.boxes[image.class_ids == 0], class_ids=image.class_ids[image.class_ids == 0])
        for image in ground_truth.read(drawn).images
    ]
    ground_truth.write(folder, RED, images)
    return folder


@pytest.fixture
def do(drawn, tmp_path, capfd):
    """Run the worker on a file; gives the folder that it filled, or the sentence with which it refused."""

    def work(file, *, kind="onnx", labels=squares.LABELS, **options):
        output = Path(options.get("output", tmp_path / "output"))
        output.mkdir(exist_ok=True)
        job = {
            **{"adapter": None, "image_size": None, "preprocessing": UNSET, "first_class": None, "iou_threshold": 0.5},
            **{"kind": kind, "file": str(file), "where": file.name, "labels": list(labels)},
            **{"validation": str(drawn), "output": str(output), **options},
        }
        (tmp_path / "job.json").write_text(json.dumps(job))
        try:
            worker.main(str(tmp_path / "job.json"))
        except SystemExit as end:
            assert end.code == 2
            return capfd.readouterr().err.splitlines()[-1].removeprefix("error: ")
        return output

    return work


def check(drawn, output, adapter, labels=squares.LABELS):
    """The graph finds every square, and finds what the network as it came finds."""
    assert isinstance(output, Path), output
    answer = json.loads((output / "result.json").read_text())
    assert answer["adapter"] == adapter
    cut = Postprocess(0.5, (0.5,) * len(labels))
    head = adapters.mask_head(adapters.load(adapter))
    manifest = Manifest(adapter, labels, tuple(answer["input_size"]), cut, mask_head=head)
    detector = Detector(engines.load("openvino", output / "ir"), manifest)
    truth = ground_truth.read(drawn)
    found, expected = scores.detect_all(detector, truth), reference.read(drawn, labels).detections
    assert scores.score(labels, truth.images, found).map50 == 1
    assert scores.score(labels, truth.images, expected).map50 == 1
    difference = compare(expected, found, FLOAT_NOISE, max_detections=300)
    assert difference.detections >= sum(len(image.boxes) for image in truth.images) >= 8
    assert difference.unmatched == difference.beyond_tolerance == 0
    for image, items in zip(truth.images, found, strict=True):
        sure = sorted(item.box for item in items if item.score > 0.5)
        np.testing.assert_allclose(sure, sorted(map(tuple, image.boxes)), atol=0.01)
    if head is None:
        assert all(item.mask is None for items in (*found, *expected) for item in items)
        return
    assert difference.median_mask_iou >= FLOAT_NOISE.masks
    for item in (item for items in found for item in items if item.score > 0.5):
        mask, (x1, y1, x2, y2) = item.mask.to_image((128, 96)), (round(value) for value in item.box)
        middle_x, middle_y = (x1 + x2) // 2, (y1 + y2) // 2
        # All but the lower right quarter; a cell of prototypes is as large as that, and edges are soft.
        assert mask[y1 + 2 : middle_y - 2, x1 + 2 : x2 - 2].all()
        assert mask[y1 + 2 : y2 - 2, x1 + 2 : middle_x - 2].all()
        assert not mask[middle_y + 3 : y2 - 2, middle_x + 3 : x2 - 2].any()


ALL_LAYOUTS = {name: name for name in squares_onnx.LAYOUTS} | squares_onnx.FORMS


@pytest.mark.parametrize("layout", sorted(ALL_LAYOUTS))
def test_a_layout_is_recognised_and_decoded(do, drawn, tmp_path, layout):
    """No other adapter takes it for its own."""
    output = do(squares_onnx.write(layout, tmp_path / "model.onnx"))
    check(drawn, output, ALL_LAYOUTS[layout])


@pytest.mark.parametrize("layout", sorted(ALL_LAYOUTS))
def test_a_layout_with_one_class(do, red, tmp_path, layout):
    """As many columns as another layout has with another number of classes."""
    output = do(squares_onnx.write(layout, tmp_path / "model.onnx", classes=1), labels=RED, validation=str(red))
    check(red, output, ALL_LAYOUTS[layout], labels=RED)


@pytest.mark.parametrize("layout", ["yolo_nas", "damo_yolo", "boxes_scores", "detr", "rfdetr"])
def test_without_annotations_names_and_order_decide_what_values_leave_open(do, drawn, tmp_path, layout):
    bare = tmp_path / "bare"
    shutil.copytree(drawn, bare)
    images = [
        replace(image, boxes=image.boxes[:0], class_ids=image.class_ids[:0])
        for image in ground_truth.read(drawn).images
    ]
    ground_truth.write(bare, squares.LABELS, images)
    output = do(squares_onnx.write(layout, tmp_path / "model.onnx"), validation=str(bare))
    assert json.loads((output / "result.json").read_text())["adapter"] == layout


def renamed(file, order=1):
    """Outputs called 700, 701, …, in their order or, with -1, the other way round."""
    import onnx

    model = onnx.load(file)
    names = {output.name: f"{700 + number}" for number, output in enumerate(model.graph.output)}
    for node in model.graph.node:
        node.output[:] = [names.get(name, name) for name in node.output]
    outputs = list(model.graph.output)[::order]
    del model.graph.output[:]
    model.graph.output.extend(outputs)
    for output in model.graph.output:
        output.name = names[output.name]
    onnx.save(model, file)
    return file


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("layout", ["ssd", "yolov4", "mmdetection", "boxes_labels", "picodet", "ppyoloe", "paddle_nms"])
def test_layouts_that_are_known_by_shapes_and_values_alone(do, drawn, tmp_path, layout, order):
    file = renamed(squares_onnx.write(layout, tmp_path / "model.onnx"), order)
    check(drawn, do(file), layout)


def test_masks_that_are_no_probabilities_are_refused(do, tmp_path):
    import onnx

    file = squares_onnx.write("torchvision_masks", tmp_path / "model.onnx")
    model = onnx.load(file)
    for tensor in model.graph.initializer:
        values = onnx.numpy_helper.to_array(tensor)
        if values.ndim == 4 and values.shape[1] == 1:
            tensor.CopyFrom(onnx.numpy_helper.from_array(values * np.float32(6), tensor.name))
    onnx.save(model, file)
    assert do(file) == (
        "model.onnx: masks from 0 to 6; expected probabilities in [0, 1]. Export the model with the sigmoid of its "
        "masks."
    )


@pytest.mark.parametrize("layout", ["mmdetection_masks", "mmdetection_box_masks"])
def test_other_numbers_of_masks_and_of_boxes_are_refused(do, tmp_path, layout):
    import onnx

    file = squares_onnx.write(layout, tmp_path / "model.onnx")
    model = onnx.load(file)
    for tensor in model.graph.initializer:
        values = onnx.numpy_helper.to_array(tensor)
        if values.ndim == 4 and values.shape[:2] == (1, squares_onnx.COUNT):
            tensor.CopyFrom(onnx.numpy_helper.from_array(values[:, 1:], tensor.name))
    onnx.save(model, file)
    assert "47 masks of 48 boxes" in do(file)


def test_two_adapters_that_only_names_tell_apart_are_asked_for(do, tmp_path):
    file = renamed(squares_onnx.write("detr", tmp_path / "model.onnx"))
    assert do(file) == "model.onnx: detr and rfdetr fit its outputs; expected one adapter. Choose it with --adapter."


def test_a_column_for_the_background_is_no_class(do, tmp_path):
    file = squares_onnx.write("ssd", tmp_path / "model.onnx", classes=1)
    assert do(file) == (
        "model.onnx: values that contradict each layout of these shapes: boxes_scores (fractions), yolov4 (a column "
        "for the background); expected one that fits. Check the number of labels (none for the background), or see "
        "docs/importing.md#what-the-outputs-mean."
    )


def test_every_adapter_is_proven_here_or_on_a_saved_model():
    assert set(adapters.names()) == {*squares_onnx.LAYOUTS, "odapi"}


@pytest.mark.parametrize("name", adapters.names())
def test_an_adapter_is_whole(name):
    adapter = adapters.load(name)
    assert adapter.OUTPUTS
    assert set(adapter.GRAPHS) <= {"onnx", "ir", "saved_model"}
    assert adapter.FIRST_CLASS in (0, 1)
    assert 0 < adapter.THRESHOLD < 1
    assert adapter.match({"something": (1, 2, 3)}, (64, 48)) is None


def test_the_guide_has_a_row_for_every_adapter():
    guide = (HERE.parents[2] / "docs" / "importing.md").read_text(encoding="utf-8")
    rows = [line.strip("| ").split(" | ") for line in guide.splitlines() if line.startswith("| `")]
    thresholds = {
        row[0].strip("`"): float(row[4]) for row in rows if len(row) == 5 and row[0].strip("`") in adapters.names()
    }
    assert thresholds == {name: adapters.load(name).THRESHOLD for name in adapters.names()}


def test_an_ir_answers_for_itself_by_openvino(do, drawn, tmp_path):
    import openvino as ov

    model = ov.Core().read_model(squares_onnx.write("yolov8", tmp_path / "model.onnx"))
    ov.save_model(model, tmp_path / "model.xml")
    check(drawn, do(tmp_path / "model.xml", kind="ir"), "yolov8")
    version = ov.get_version().partition("-")[0]
    words = f"the file as it came, by OpenVINO {version} with decoding in NumPy"
    assert reference.read(drawn, squares.LABELS).network == words


def test_without_onnx_runtime_an_onnx_file_is_run_by_openvino(do, drawn, tmp_path, monkeypatch):
    pytest.importorskip("onnxruntime")
    file = squares_onnx.write("yolov8", tmp_path / "model.onnx")
    do(file)
    assert "by ONNX Runtime " in reference.read(drawn, squares.LABELS).network
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "onnxruntime" else real(name))
    check(drawn, do(file, output=str(tmp_path / "again")), "yolov8")
    assert "by OpenVINO " in reference.read(drawn, squares.LABELS).network


def test_float16_inputs_and_weights(do, drawn, tmp_path):
    """What `--half` of an exporter gives: the contract stays float32."""
    import openvino as ov
    from openvino.preprocess import PrePostProcessor

    model = ov.Core().read_model(squares_onnx.write("yolov8", tmp_path / "model.onnx"))
    processor = PrePostProcessor(model)
    processor.input(0).tensor().set_element_type(ov.Type.f16)
    processor.output(0).tensor().set_element_type(ov.Type.f16)
    ov.save_model(processor.build(), tmp_path / "half.xml")
    output = do(tmp_path / "half.xml", kind="ir")
    contract = ov.Core().read_model(output / "ir" / "model.xml")
    assert {port.get_any_name(): port.element_type.get_type_name() for port in contract.outputs} == {
        "boxes": "f32",
        "scores": "f32",
    }


def test_mean_and_scale_are_the_users(do, drawn, tmp_path):
    """A network that wants 0 to 255 is fed so, although its layout is that of networks that want 0 to 1."""
    import onnx

    file = squares_onnx.write("yolov8", tmp_path / "model.onnx")
    model = onnx.load(file)
    for tensor in model.graph.initializer:
        values = onnx.numpy_helper.to_array(tensor)
        if values.ndim == 4:  # the only convolution
            tensor.CopyFrom(onnx.numpy_helper.from_array(values / np.float32(255), tensor.name))
    onnx.save(model, file)
    check(drawn, do(file, preprocessing=UNSET | {"scale": [1.0, 1.0, 1.0]}), "yolov8")
    manifest = json.loads((tmp_path / "output" / "result.json").read_text())
    assert (manifest["order"], manifest["scale"]) == ("rgb", [1, 1, 1])


def with_metadata(file, kind, values):
    """As OpenVINO Training Extensions write it: a section of an IR, and its name before each key in an ONNX file."""
    import onnx
    import openvino as ov

    if kind == "onnx":
        model = onnx.load(file)
        onnx.helper.set_model_props(model, {f"model_info {key}": value for key, value in values.items()})
        onnx.save(model, file)
        return file
    model = ov.Core().read_model(file)
    for key, value in values.items():
        model.set_rt_info(value, ["model_info", key])
    ov.save_model(model, file.with_suffix(".xml"))
    return file.with_suffix(".xml")


@pytest.mark.parametrize("kind", ["ir", "onnx"])
def test_mean_and_scale_are_those_of_the_file(do, drawn, tmp_path, kind):
    """The user's go before."""
    written = {"mean_values": "123.675 116.28 103.53", "scale_values": "58.395 57.12 57.375"}
    file = squares_onnx.write("boxes_labels", tmp_path / "model.onnx", normalised=squares_onnx.RGB)
    file = with_metadata(file, kind, written)
    output = do(file, kind=kind)
    check(drawn, output, "boxes_labels")
    other = do(file, kind=kind, preprocessing=UNSET | {"mean": [1, 2, 3]}, output=str(tmp_path / "other"))
    found = [json.loads((folder / "result.json").read_text()) for folder in (output, other)]
    assert [(answer["mean"], answer["scale"]) for answer in found] == [
        ([123.675, 116.28, 103.53], [58.395, 57.12, 57.375]),
        ([1, 2, 3], [58.395, 57.12, 57.375]),
    ]


@pytest.mark.parametrize("text", ["", "one two three", "nan", "1 2", "-1", "0", "1e9", "inf inf inf"])
def test_a_scale_that_is_none_is_not_used(text):
    from builder.imports.openvino_model import _three_numbers

    assert _three_numbers({"scale_values": text}, "scale_values") is None


def test_an_open_size_is_asked_for(do, drawn, tmp_path):
    file = squares_onnx.write("yolov8", tmp_path / "model.onnx", open_size=True)
    assert do(file) == (
        "model.onnx: input of shape [1,3,?,?], which leaves the size open; expected one size. "
        "Give it with --image-size."
    )
    check(drawn, do(file, image_size=[64, 48]), "yolov8")


REFUSED = {
    "another size": (
        {"image_size": [32, 32]},
        "model.onnx: input of shape [1,3,48,64]; expected no other size with --image-size than this. Leave it out.",
    ),
    "labels": (
        {"labels": ["one"]},
        "model.onnx: outputs output0 (1, 6, 64) of 2 classes, and 1 label; expected one for each class. Correct the "
        "labels (if it is no network of oriented boxes, OBB), or see docs/importing.md#what-the-outputs-mean.",
    ),
    "adapter": (
        {"adapter": "yolov5"},
        "model.onnx: outputs output0 (1, 6, 64); expected for --adapter yolov5 (1, A, 5 + K): centre x and y, width, "
        "height in input pixels, the score that there is an object, th…. See "
        "docs/importing.md#what-the-outputs-mean.",
    ),
    "adapter of SavedModels": (
        {"adapter": "odapi"},
        "model.onnx: outputs output0 (1, 6, 64); expected for --adapter odapi another kind of file than onnx. See "
        "docs/importing.md#what-the-outputs-mean.",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_fit_is_refused_in_one_sentence(do, tmp_path, case):
    options, sentence = REFUSED[case]
    assert do(squares_onnx.write("yolov8", tmp_path / "model.onnx"), **options) == sentence


def test_a_saved_model_is_fed_with_pixels_as_they_are(do, tmp_path):
    assert do(tmp_path / "od", kind="saved_model", preprocessing=UNSET | {"order": "bgr"}) == (
        "od: --channels, --mean or --scale for a SavedModel, which preprocesses images itself; expected none of them. "
        "Leave them out."
    )


def test_several_that_fit(do, tmp_path, monkeypatch):
    monkeypatch.setattr(adapters, "names", lambda: ["yolov8", "twin"])
    monkeypatch.setattr(adapters, "load", lambda name: importlib.import_module("builder.imports.adapters.yolov8"))
    assert do(squares_onnx.write("yolov8", tmp_path / "model.onnx")) == (
        "model.onnx: yolov8 and twin fit its outputs; expected one adapter. Choose it with --adapter."
    )


def written(graph, file):
    from onnx import helper

    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    file.write_bytes(model.SerializeToString())
    return file


def test_without_an_adapter_the_nearest_are_named(do, tmp_path):
    from onnx import TensorProto, helper

    nodes = [helper.make_node("Identity", ["x"], ["y"])]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3, 96, 128]) for name in "xy"]
    sentence = do(written(helper.make_graph(nodes, "g", ends[:1], ends[1:]), tmp_path / "model.onnx"))
    assert sentence == (
        "model.onnx: a segmentation network, with outputs y (1, 3, 96, 128); expected a detector of upright boxes. "
        "Import one."
    )


@pytest.mark.parametrize(("name", "data"), [("a.onnx", b"no model"), ("empty.onnx", b"")])
def test_what_is_no_model(do, tmp_path, name, data):
    (tmp_path / name).write_bytes(data)
    assert do(tmp_path / name) == (
        f'{name}: OpenVINO cannot read it (Unable to read the model: "{name}"); expected a whole model. '
        "Export it again."
    )


def test_xml_of_a_stranger_reads_no_other_file(do, tmp_path):
    (tmp_path / "secret").write_text("11")
    (tmp_path / "a.xml").write_text(
        f'<!DOCTYPE net [<!ENTITY e SYSTEM "file://{tmp_path}/secret">]>'
        '<net name="&e;" version="&e;"><layers/><edges/></net>'
    )
    (tmp_path / "a.bin").write_bytes(b"")
    assert do(tmp_path / "a.xml", kind="ir").startswith("a.xml: ")


def test_weights_that_lie_elsewhere_are_not_read(do, tmp_path):
    import onnx

    (tmp_path / "secret").write_bytes(b"\0" * 4096)
    inside = tmp_path / "inside"
    inside.mkdir()
    file = squares_onnx.write("yolov8", inside / "model.onnx")
    model = onnx.load(file)
    tensor = next(tensor for tensor in model.graph.initializer if tensor.raw_data)
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../secret")
    file.write_bytes(model.SerializeToString())
    sentence = do(file)
    assert sentence.startswith("model.onnx: OpenVINO cannot read it (Path '../secret' resolves to ")
    assert sentence.endswith("); expected a whole model. Export it again.")


def test_scores_that_are_none(do, tmp_path):
    """A yolov5 whose boxes and scores somebody exported the other way round."""
    import onnx

    file = squares_onnx.write("yolov8", tmp_path / "model.onnx")
    model = onnx.load(file)
    for node in model.graph.node:
        if node.op_type == "Sigmoid":
            node.op_type = "Identity"
    onnx.save(model, file)
    sentence = do(file)
    assert sentence.startswith("model.onnx: scores from -")
    assert sentence.endswith(
        "; expected numbers in [0, 1]: these are no outputs of yolov8. Choose another --adapter, or export the model "
        "with its sigmoid."
    )


@pytest.mark.parametrize(("adapter", "first"), [("yolov10", 0), ("detection_output", 1)])
def test_more_classes_than_labels(do, tmp_path, adapter, first):
    file = squares_onnx.write(adapter, tmp_path / "model.onnx")
    assert do(file, labels=["one"]) == (
        f"model.onnx: the network returns class {first + 1}; expected {first} to {first}, the numbers of the 1 "
        "labels. Correct the labels, or give --first-class."
    )


def test_numbers_from_zero_where_others_count_from_one(do, tmp_path):
    file = squares_onnx.write("detection_output", tmp_path / "model.onnx")
    assert do(file, first_class=0) == (
        "model.onnx: the network returns class 2; expected 0 to 1, the numbers of the 2 labels. "
        "Correct the labels, or give --first-class."
    )
    output = tmp_path / "again"
    assert do(file, first_class=0, labels=["background", *squares.LABELS], output=str(output)) == output
    assert json.loads((output / "result.json").read_text())["first_class"] == 0


def test_two_inputs(do, tmp_path):
    import onnx

    file = squares_onnx.write("yolov8", tmp_path / "model.onnx")
    model = onnx.load(file)
    model.graph.input.append(onnx.helper.make_tensor_value_info("size", onnx.TensorProto.FLOAT, [1, 2]))
    model.graph.node.append(onnx.helper.make_node("Identity", ["size"], ["echo"]))
    model.graph.output.append(onnx.helper.make_tensor_value_info("echo", onnx.TensorProto.FLOAT, [1, 2]))
    onnx.save(model, file)
    assert do(file) == (
        "model.onnx: inputs images, size; expected one, the image, and beside it none but orig_target_sizes, im_shape, "
        "scale_factor, image_shape, image_info. Export the model with one input."
    )


def test_an_input_that_is_no_image(do, tmp_path):
    from onnx import TensorProto, helper

    nodes = [helper.make_node("Identity", ["x"], ["y"])]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 10]) for name in "xy"]
    file = written(helper.make_graph(nodes, "g", ends[:1], ends[1:]), tmp_path / "model.onnx")
    assert do(file) == (
        "model.onnx: input of shape [1,10] and type f32; expected one image with 3 channels, float or uint8, one at a "
        "time. Export the model so."
    )
