"""What is said before a training, with the numbers; and what the trainer itself would say later."""

import re
import subprocess
import sys

import pytest

from preannotate.studio import families
from preannotate.studio import recommendations as module
from preannotate.studio.catalogue import LabelSummary, TaskDetail, TaskSummary
from preannotate.studio.recommendations import Sufficiency, assess_annotations, model_choices
from trainer import published_weights, recommendation

SUMMARY = TaskSummary(12, "dock", None, "", 100, False, 1, 0, "")


def detail(boxes, frames=50, **more):
    """A task with boxes of labels by name."""
    labels = tuple(LabelSummary(name, "#ff0000", "rectangle", count, True) for name, count in boxes.items())
    sides = (80.0,) * sum(boxes.values())
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
    """One without a GPU, and without weights of any kind; the function adds them."""
    cards = []
    monkeypatch.setattr(module, "gpus", lambda: tuple(cards))
    monkeypatch.setattr(module, "free_memory", lambda: None)
    monkeypatch.setattr(module, "estimate_minutes", lambda models, *_, **__: {"yolox-nano": 4.0})
    monkeypatch.setattr(recommendation, "cores", lambda: 2)
    monkeypatch.setattr(families, "package_is_installed", lambda name: False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setenv("PREANNOTATE_WEIGHTS", str(tmp_path / "weights"))
    (tmp_path / "models").mkdir()

    def have(*, gpu=False, imagenet=False, package=False, coco=()):
        if gpu:
            cards.append("a card")
        if imagenet:
            (tmp_path / "models" / "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5").touch()
        if package:
            monkeypatch.setattr(families, "package_is_installed", lambda name: True)
        for model in coco:
            (tmp_path / "official").write_bytes(b"PK\x03\x04")
            published_weights.keep(model, tmp_path / "official", lambda path: None)

    return have


def chosen(found, **options):
    """The model that "auto" would take."""
    return module.recommend_model(found, **options).model


def test_the_recommendation_is_that_of_auto(machine):
    machine(coco=["yolox-nano"])
    first, *others = model_choices(detail({"forklift": 120}))

    assert (first.name, first.recommended, first.word) == ("auto", True, None)
    assert first.why == (
        "yolox-nano is chosen (fast, about 4 minutes on 2 CPU cores): it is pretrained on COCO, so it needs few images "
        "and minutes; 42 training images with 2.9 objects each, half of them smaller than 59 pixels in an input of "
        "480x352."
    )
    assert [choice.name for choice in others if choice.recommended or choice.why] == []
    assert [choice.name for choice in others] == list(families.families())
    assert [(choice.word, choice.minutes) for choice in others[:2]] == [
        ("fast", "about 4 minutes on 2 CPU cores"), (None, None)
    ]  # fmt: skip


def test_the_accurate_model_is_marked_where_its_weights_are(machine):
    machine(coco=["yolox-nano", "yolox-s"])
    words = {choice.name: choice.word for choice in model_choices(detail({"forklift": 120})) if choice.word}

    assert words == {"yolox-nano": "fast", "yolox-s": "accurate"}


def test_a_download_comes_before_the_second_choice(machine):
    machine(package=True)
    first = model_choices(detail({"forklift": 120}))[0]

    assert first.why.startswith(
        "Training first tries to download the COCO weights of yolox-nano, which it then uses. Without them: "
        "ssd-efficientnet-lite0 is chosen (fast): its ImageNet weights are installed, COCO weights for yolox-nano are "
    )


def test_a_gpu_has_time_for_the_larger_network(machine):
    machine(gpu=True, coco=["yolox-nano", "yolox-tiny"])
    found = detail({"forklift": 3000}, frames=700)

    assert chosen(found) == "yolox-tiny"
    assert {choice.minutes for choice in model_choices(found)} == {None}


def test_random_weights_are_taken_only_where_they_are_asked_for(machine):
    machine(package=True)

    assert chosen(detail({"forklift": 120})) == "ssd-efficientnet-lite0"
    assert chosen(detail({"forklift": 120}), base_model="none") == "ssd-mobilenet-v2"


@pytest.mark.parametrize(("base_model", "size"), [("auto", "480x352"), ("none", "384x288")])
def test_input_and_minutes_are_those_of_the_start_that_is_asked_for(machine, monkeypatch, base_model, size):
    asked = []
    monkeypatch.setattr(module, "estimate_minutes", lambda *_, pretrained: asked.append(pretrained) or {})

    why = module.recommend_model(detail({"forklift": 120}), base_model=base_model).why

    assert f"in an input of {size}." in why
    assert asked == [base_model == "auto"]


def test_minutes_are_those_of_the_requested_arguments_and_of_each_model_s_input(machine, monkeypatch):
    asked = []

    def estimate(models, images, size_for, overrides, **_):
        asked.append((images, size_for(320), size_for(416), overrides))
        return {}

    monkeypatch.setattr(module, "estimate_minutes", estimate)
    overrides = {"image_size": "512", "batch_size": 4}
    model_choices(detail({"forklift": 120}))
    why = model_choices(detail({"forklift": 120}), overrides=overrides)[0].why

    assert asked == [(42, (384, 288), (480, 352), {}), (42, (512, 512), (512, 512), overrides)]
    assert "in an input of 512x512." in why


def test_a_damaged_record_of_weights_is_left_to_the_training(machine, tmp_path):
    machine(imagenet=True)
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "yolox-nano.json").write_text("[]")

    assert chosen(detail({"forklift": 120})) == "ssd-mobilenet-v2"


def test_figures_are_the_measured_ones(machine):
    found = {choice.name: choice for choice in model_choices(detail({"forklift": 120}))}

    assert re.fullmatch(
        r"8\.3 times the inference time of ssd-mobilenet-v2, 4\.5 times its training time",
        found["frcnn-resnet50"].speed,
    )
    assert found["ssd-mobilenet-v2"].speed == "the other models are compared with it"
    assert found["ssd-mobilenet-v2"].accuracy.startswith(
        "mAP50 0.97, mAP 0.68 on microcontrollers (119 images); mAP50 0.84, mAP 0.46 on raccoon"
    )
    assert found["frcnn-nas"].accuracy == "not measured"


def test_no_task_no_recommendation(machine):
    first, *others = model_choices(detail({}, frames=0, image_size=None))

    assert (first.name, first.why) == ("auto", None)
    assert {choice.word for choice in others} == {None}


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

    def said():
        found = {choice.name: choice.missing_weights for choice in model_choices(detail({"forklift": 120}))}
        return {name: found[name] for name in ("yolox-nano", "ssd-mobilenet-v2")}

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


@pytest.mark.parametrize(
    ("outlines", "advice"),
    [
        (0, "Boxes: no object was drawn as a polygon, a mask or an ellipse, so there are no outlines to learn."),
        (
            1,
            "Boxes: only 1 of 120 objects was drawn as an outline. A model with outlines would learn them from these "
            "alone, and give boxes for labels that mostly have boxes.",
        ),
        (
            60,
            "Outlines: 60 of 120 objects were drawn as outlines. Automatic chooses a model that learns these and the "
            "boxes, if it can have its weights; its detections are polygons or masks in CVAT, as most objects were "
            "drawn. For boxes alone, which train faster, choose a model without the mark "
            '"Boxes and outlines".',
        ),
    ],
)
def test_boxes_or_outlines_follows_from_what_was_drawn(outlines, advice):
    assert module.advise_outlines(detail({"cell": 120}, outlines=outlines)) == advice


def test_a_model_with_outlines_names_the_one_whose_weights_it_needs(monkeypatch):
    monkeypatch.setattr(module.published_weights, "kept", lambda name: None)
    choices = {one.name: one for one in model_choices(detail({"cell": 120}))}

    assert "Run: preannotate get base yolox-nano" in choices["yolox-nano"].missing_weights
    assert choices["yolox-nano-seg"].missing_weights == (
        "The COCO weights of yolox-nano, from which it starts, are not on this machine."
    )


def test_the_models_that_learn_outlines_say_so_and_are_what_automatic_means(monkeypatch):
    monkeypatch.setattr(module.published_weights, "kept", lambda name: name)
    choices = {one.name: one for one in model_choices(detail({"cell": 120}, outlines=120))}

    assert choices["yolox-nano-seg"].outlines
    assert not choices["yolox-nano"].outlines
    assert "the inference time of ssd-mobilenet-v2" in choices["yolox-nano-seg"].speed
    assert choices["yolox-nano-seg"].accuracy == "not measured"
    assert "-seg is chosen" in choices["auto"].why
    assert "-seg is chosen" not in model_choices(detail({"cell": 120}, outlines=10))[0].why


def test_what_a_download_leads_to_is_said_where_outlines_were_drawn(monkeypatch):
    monkeypatch.setattr(module.published_weights, "kept", lambda name: None)

    def why(outlines):
        return model_choices(detail({"cell": 120}, outlines=outlines))[0].why

    download = "Training first tries to download the COCO weights of yolox-nano, which it then uses"
    assert why(120).startswith(f"{download} to learn boxes and outlines. Without them: ")
    assert why(0).startswith(f"{download}. Without them: ")
