"""Files of people, up to the sentence: networks that answer with the same rows whatever they are shown."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("onnx")
pytest.importorskip("openvino")

from onnx import TensorProto, helper, numpy_helper

from builder.imports import import_model, worker
from evaluation import ground_truth
from evaluation import scores as metrics
from evaluation.ground_truth import AnnotatedImage
from preannotate.cli.main import main
from preannotate.formats import cvat_images
from preannotate.formats.records import Export, Frame, Shape
from runtime.detector import Detection

SIZE = 160
CELLS = 20 * 20 + 10 * 10 + 5 * 5
BOLT, GEAR = (20, 30, 60, 90), (90, 50, 130, 130)
LABELS = ("bolt", "gear")


def centre(x1, y1, x2, y2):
    return ((x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1)


def rows(*listed, count=CELLS):
    """(1, count, C): the rows that are listed, and zeros."""
    result = np.zeros((1, count, len(listed[0])), np.float32)
    result[0, : len(listed)] = listed
    return result


YOLOV8 = rows((*centre(*BOLT), 0.9, 0), (*centre(*GEAR), 0, 0.8)).transpose(0, 2, 1)
YOLOV10 = rows((*BOLT, 0.9, 0), (*GEAR, 0.8, 1), count=300)


def write(file, *, metadata=None, **outputs):
    """A network with these outputs, to which the mean of the image is added 0 times."""
    nodes = [helper.make_node("ReduceMean", ["images"], ["mean"], keepdims=0)]
    nodes.append(helper.make_node("Mul", ["mean", "zero"], ["nothing"]))
    constants = [numpy_helper.from_array(np.float32(0), "zero")]
    for name, values in outputs.items():
        constants.append(numpy_helper.from_array(values.astype(np.float32), f"{name}_rows"))
        nodes.append(helper.make_node("Add", [f"{name}_rows", "nothing"], [name]))
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, values.shape) for name, values in outputs.items()]
    image = helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, SIZE, SIZE])
    model = helper.make_model(
        helper.make_graph(nodes, "g", [image], ends, constants),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=9,
    )
    for key, text in (metadata or {}).items():
        model.metadata_props.add(key=key, value=text)
    file.write_bytes(model.SerializeToString())
    return file


@pytest.fixture(scope="module")
def annotated(tmp_path_factory):
    """An export of three images whose boxes are those that the networks answer with."""
    folder = tmp_path_factory.mktemp("annotated")
    (folder / "images").mkdir()
    frames = []
    for number in range(3):
        Image.new("RGB", (SIZE, SIZE), (60 * number, 90, 120)).save(folder / "images" / f"{number}.png")
        shapes = tuple(
            Shape(label, "box", box, source="manual") for label, box in zip(LABELS, (BOLT, GEAR), strict=True)
        )
        frames.append(Frame(f"{number}.png", None, shapes, declared_size=(SIZE, SIZE)))
    (folder / "annotations.xml").write_bytes(cvat_images.write(Export(LABELS, tuple(frames)))["annotations.xml"])
    return folder


@pytest.fixture
def bring(tmp_path, capsys):
    """Import a file; gives what `--json` prints, or the error behind the name of the file."""

    def work(file, *options, labels=LABELS):
        (tmp_path / "labels.txt").write_text("\n".join(labels))
        words = ["import", file, "--output", tmp_path / "runs", "--json", *options]
        code = main([str(word) for word in (*words, *(("--labels", tmp_path / "labels.txt") if labels else ()))])
        printed = capsys.readouterr()
        if code == 0:
            return json.loads(printed.out)
        sentence = printed.err.splitlines()[-1].removeprefix(f"error: {file}: ")
        assert len(sentence) <= 300
        return sentence

    return work


@pytest.fixture
def refusal(tmp_path, capfd):
    """The sentence with which the worker, in this process, refuses a file on an image without annotations."""

    def work(file):
        (tmp_path / "validation").mkdir()
        Image.new("RGB", (SIZE, SIZE)).save(tmp_path / "validation" / "a.png")
        image = AnnotatedImage("a.png", "a.png", (SIZE, SIZE), np.zeros((0, 4), np.float32), np.zeros(0, np.int64))
        ground_truth.write(tmp_path / "validation", LABELS, [image])
        (tmp_path / "output").mkdir()
        job = worker.ImportJob(
            kind="onnx",
            file=str(file),
            where="it",
            adapter=None,
            image_size=None,
            labels=list(LABELS),
            preprocessing={"order": None, "mean": None, "scale": None},
            first_class=None,
            iou_threshold=0.5,
            validation=str(tmp_path / "validation"),
            output=str(tmp_path / "output"),
        )
        (tmp_path / "job.json").write_text(json.dumps(asdict(job)))
        with pytest.raises(SystemExit):
            worker.main(str(tmp_path / "job.json"))
        return capfd.readouterr().err.splitlines()[-1].removeprefix("error: it: ")

    return work


def test_the_right_boxes_are_measured(bring, annotated, tmp_path):
    imported = bring(write(tmp_path / "a.onnx", output0=YOLOV8), "--proof-images", annotated)
    assert imported["adapter"] == "yolov8"
    assert imported["scores"]["map50"] > 0.99


REFUSED = {
    "segment": ({"task": "segment"}, {"output0": YOLOV8}, "a segmentation network, with outputs output0 (1, 6, 525); "),
    "pose": ({"task": "pose"}, {"output0": YOLOV8}, "a pose network (keypoints), with outputs "),
    "obb": ({"task": "obb"}, {"output0": YOLOV8}, "a network of oriented boxes (OBB), with outputs "),
    "one label too few": (
        {},
        {"output0": np.concatenate([YOLOV8, YOLOV8[:, :1] * 0], 1)},
        "outputs output0 (1, 7, 525) of 3 classes, and 2 labels; expected one for each class. ",
    ),
    "huge": ({}, {"output0": YOLOV8 * [[[1e4]] * 4 + [[1]] * 2]}, "read as yolov8, it gives coordinates of up to "),
    "fractions": (
        {},
        {"output0": YOLOV8 * [[[1 / SIZE]] * 4 + [[1]] * 2]},
        "read as yolov8, it gives coordinates of at most 0.812 (fractions of the image, not pixels?); ",
    ),
    "small": (
        {},
        {"output0": YOLOV8 * [[[1]] * 2 + [[0.02]] * 2 + [[1]] * 2]},
        "read as yolov8, it gives no box larger than 3 pixels ",
    ),
    "whole": (
        {},
        {"output0": rows((*centre(0, 0, SIZE, SIZE), 0.9, 0), (*centre(-9, -9, 170, 170), 0, 0.8)).transpose(0, 2, 1)},
        "read as yolov8, it gives only boxes as large as the whole image ",
    ),
    "logits": ({}, {"output0": YOLOV8 * [[[1]] * 4 + [[9]] * 2]}, "scores from 0 to 8.1; expected numbers in [0, 1]: "),
    "crowd": (
        {},
        {"output0": np.concatenate([YOLOV8[:, :4] + 20, 0.5 + YOLOV8[:, 4:] / 2], 1)},
        "read as yolov8, it gives 525 of 525 rows with a score from 0.25 on ",
    ),
    "unknown": (
        {},
        {"y": np.ones((1, 7, 5, 2, 2))},
        "outputs y (1, 7, 5, 2, 2); expected a known layout, the near",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_are_no_boxes_is_refused_by_its_cause(refusal, tmp_path, case):
    metadata, outputs, sentence = REFUSED[case]
    found = refusal(write(tmp_path / "a.onnx", metadata=metadata, **outputs))
    assert found.startswith(sentence)
    assert len(found) <= 300


def test_a_network_that_finds_nothing_where_things_are_drawn_is_refused(bring, annotated, tmp_path):
    elsewhere = rows((*centre(100, 5, 150, 40), 0.9, 0), (*centre(5, 100, 50, 150), 0, 0.8)).transpose(0, 2, 1)
    assert bring(write(tmp_path / "a.onnx", output0=elsewhere), "--proof-images", annotated) == (
        "mAP50 0.000 on 3 annotated images with 6 boxes; expected it to find what is drawn there. Check --channels, "
        "--mean, --scale and --adapter: docs/importing.md#what-the-outputs-mean."
    )


def test_labels_in_another_order_are_told_by_annotations_and_by_the_model(bring, annotated, tmp_path):
    file = write(tmp_path / "a.onnx", output0=YOLOV8)
    assert bring(file, "--proof-images", annotated, labels=("gear", "bolt")) == (
        "mAP50 0.000 on 3 annotated images with 6 boxes; expected it to find what is drawn there. The boxes are right "
        "(mAP50 1.000) and their labels wrong: correct their order."
    )
    file = write(tmp_path / "b.onnx", metadata={"names": "{0: 'bolt', 1: 'gear'}"}, output0=YOLOV8)
    assert bring(file, labels=("gear", "bolt")) == (
        "the labels gear,bolt, and in the model bolt,gear; expected its order. Leave --labels out."
    )
    assert bring(file, labels=("Bolzen", "Zahnrad"))["labels"] == ["Bolzen", "Zahnrad"]


def test_names_in_the_model_and_beside_it_need_no_labels(bring, tmp_path):
    import openvino as ov

    metadata = {"names": "{0: 'bolt', 1: 'gear'}", "task": "detect"}
    assert bring(write(tmp_path / "a.onnx", metadata=metadata, output0=YOLOV8), labels=())["labels"] == list(LABELS)
    folder = tmp_path / "best_openvino_model"
    folder.mkdir()
    file = write(tmp_path / "plain.onnx", output0=YOLOV8)
    ov.save_model(ov.Core().read_model(file), folder / "best.xml")
    assert bring(file, labels=()) == "no names of classes in it; expected them. Give a file with --labels."
    (folder / "metadata.yaml").write_text("task: detect\nnames:\n  0: bolt\n  1: gear\n")
    assert bring(folder, labels=())["labels"] == list(LABELS)


def test_an_adapter_that_was_chosen_wrongly_is_answered_with_the_right_one(bring, tmp_path):
    file = write(tmp_path / "a.onnx", output0=YOLOV10)
    assert bring(file)["adapter"] == "yolov10"
    sentence = bring(file, "--adapter", "rtdetr_ultralytics_topk", "--overwrite", "--name", "b")
    assert "yolov10" in sentence


def test_what_the_libraries_cannot_run_is_one_sentence(bring, tmp_path):
    import onnx

    model = onnx.load(write(tmp_path / "a.onnx", output0=YOLOV8))
    huge = helper.make_node("ConstantOfShape", ["shape"], ["huge"])
    model.graph.initializer.append(numpy_helper.from_array(np.array([400_000, 200_000], np.int64), "shape"))
    model.graph.node.extend([huge, helper.make_node("ReduceMean", ["huge"], ["unused"], keepdims=0)])
    model.graph.output.append(helper.make_tensor_value_info("unused", TensorProto.FLOAT, []))
    (tmp_path / "a.onnx").write_bytes(model.SerializeToString())
    assert bring(Path(tmp_path / "a.onnx")) == (
        "needs more memory than a network may have here; expected a smaller one. Free memory, or export it again."
    )


def test_labels_of_which_two_have_changed_places_are_noted(tmp_path):
    """One of three labels is right: mAP50 a third, and 1 if labels did not count."""
    boxes = np.float32([BOLT, GEAR, (5, 100, 40, 150)])
    image = AnnotatedImage("a.png", "a.png", (SIZE, SIZE), boxes, np.array([0, 1, 2]))
    truth = ground_truth.GroundTruth(tmp_path, ("a", "b", "c"), (image,))

    def notes(*class_ids):
        found = [[Detection("", number, 0.9, tuple(box)) for number, box in zip(class_ids, boxes, strict=True)]]
        return import_model._notes(truth, found, metrics.score(truth.labels, truth.images, found))

    assert notes(0, 1, 2) == ()
    assert notes(0, 2, 1) == (
        "Without labels mAP50 would be 1.000: are the labels in the order of the network's training?",
    )
