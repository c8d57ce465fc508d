import dataclasses
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from trainer import model_choice, published_weights
from trainer.config import RequestedConfig
from trainer.datasets import Sample
from trainer.earlier_run import EarlierRun
from trainer.errors import TrainingError
from trainer.model_choice import ALIASES, TENSORFLOW_NAMES, choose, resolve_name
from trainer.models import MODELS, backbone


def sample(boxes):
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    return Sample("a.png", Path("a.png"), "0" * 64, (640, 640), boxes, np.zeros(len(boxes), np.int64), "a.png")


@pytest.fixture(autouse=True)
def nothing_at_hand(monkeypatch, tmp_path):
    """A machine without weights and without a network; returns the models whose weights were asked for."""
    asked = []
    monkeypatch.setenv("PREANNOTATE_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setattr(backbone.Backbone, "is_cached", lambda self: False)
    monkeypatch.setattr(published_weights, "find_or_fetch", lambda model, *_: asked.append(model))
    monkeypatch.setattr(model_choice, "estimate_minutes", lambda *_, **__: {})
    monkeypatch.setattr(model_choice, "free_memory", lambda: None)
    return asked


def test_objects_are_measured_in_the_input():
    # 640 pixels become 320: boxes of 100 x 64 and 20 x 20 pixels are 40 and 10 large, half of them below 25.
    samples = [sample([[0, 0, 100, 64]]), sample([[0, 0, 20, 20]])]

    assert choose("imagenet", RequestedConfig(image_size="320"), samples).why == (
        "ssd-mobilenet-v2 is chosen (fast): Keras will try to fetch its ImageNet weights; "
        "2 training images with 1.0 objects each, half of them smaller than 25 pixels in an input of 320x320. "
        "50% are smaller than 16 pixels there: image_size=640x640 would find more of them."
    )


@pytest.mark.parametrize(
    ("image_size", "sizes"),
    [(None, [(320, 320), (416, 416)]), ("512", [(512, 512)] * 2), ("300-512", [(288, 288)] * 2)],
)
def test_minutes_are_those_of_the_requested_arguments_and_of_each_model_s_input(monkeypatch, image_size, sizes):
    asked = []

    def estimate(defaults, images, size_for, overrides, *, pretrained):
        asked.append((images, [size_for(side) for side in (320, 416)], overrides["batch_size"], pretrained))
        return {}

    monkeypatch.setattr(model_choice, "estimate_minutes", estimate)
    choose("auto", RequestedConfig(image_size=image_size, batch_size=4), [sample([[0, 0, 100, 80]])] * 2)

    assert asked == [(2, sizes, 4, True)]


def test_coco_weights_are_downloaded_if_none_are_here(nothing_at_hand):
    chosen = choose("auto", RequestedConfig(), [sample([[0, 0, 100, 64]])])

    assert nothing_at_hand == ["yolox-nano"]
    assert chosen.model == "ssd-mobilenet-v2"  # there was no network


@pytest.mark.parametrize("base_model", ["none", "imagenet"])
def test_nothing_is_downloaded_where_it_could_not_be_used(nothing_at_hand, base_model):
    assert choose(base_model, RequestedConfig(), [sample([[0, 0, 100, 64]])]).model == "ssd-mobilenet-v2"
    assert nothing_at_hand == []


def test_coco_weights_that_are_here_decide(nothing_at_hand, monkeypatch):
    monkeypatch.setattr(published_weights, "find", lambda model: Path("here") if model == "yolox-tiny" else None)
    chosen = choose("auto", RequestedConfig(), [sample([[0, 0, 100, 64]])])

    assert (chosen.model, nothing_at_hand) == ("yolox-tiny", [])


def test_outlines_that_most_objects_have_are_learnt(monkeypatch):
    monkeypatch.setattr(published_weights, "find", lambda model: Path("here"))
    box = sample([[0, 0, 100, 64]])
    cell = dataclasses.replace(box, converted={"polygon": 1})
    rotated = dataclasses.replace(box, converted={"rotated box": 1})

    assert choose("auto", RequestedConfig(), [cell, box]).model.endswith("-seg")
    assert choose("none", RequestedConfig(), [cell]).model == "yolox-nano-seg"
    assert "learns outlines too" in choose("auto", RequestedConfig(), [cell]).why
    assert not choose("auto", RequestedConfig(), [cell, box, box]).model.endswith("-seg")
    assert not choose("auto", RequestedConfig(), [rotated]).model.endswith("-seg")


def test_a_run_goes_on_with_masks_where_outlines_were_drawn(monkeypatch, tmp_path):
    run = EarlierRun("boxes", SimpleNamespace(model="yolox-nano"), tmp_path)
    monkeypatch.setattr(model_choice.earlier_run, "read", lambda folder: run)
    box = sample([[0, 0, 100, 64]])
    chosen = choose(str(tmp_path), RequestedConfig(), [dataclasses.replace(box, converted={"mask": 1})])

    assert chosen.why == (
        "yolox-nano-seg is chosen: boxes is a run of yolox-nano, and 100% of the objects were drawn as outlines, so it "
        "learns these too; for boxes alone: --model yolox-nano."
    )
    assert choose(str(tmp_path), RequestedConfig(), [box]).model == "yolox-nano"


@pytest.mark.parametrize("gpu", [True, False])
def test_mask_rcnn_in_place_of_a_faster_rcnn_names_what_is_faster_on_a_cpu(monkeypatch, tmp_path, gpu):
    run = EarlierRun("boxes", SimpleNamespace(model="frcnn-resnet50"), tmp_path)
    monkeypatch.setattr(model_choice.earlier_run, "read", lambda folder: run)
    monkeypatch.setattr(model_choice, "_has_gpu", lambda: gpu)
    cell = dataclasses.replace(sample([[0, 0, 100, 64]]), converted={"polygon": 1})
    chosen = choose(str(tmp_path), RequestedConfig(), [cell])

    hint = " Without a GPU, --model yolox-nano-seg --base-model auto is several times faster."
    assert chosen.model == "mask-rcnn-resnet50"
    assert chosen.why == (
        "mask-rcnn-resnet50 is chosen: boxes is a run of frcnn-resnet50, and 100% of the objects were drawn as "
        "outlines, so it learns these too; for boxes alone: --model frcnn-resnet50." + ("" if gpu else hint)
    )


def test_a_file_of_a_backbone_decides_on_the_model_with_masks_too(monkeypatch, tmp_path):
    file = tmp_path / "resnet50.h5"
    file.write_bytes(b"weights")

    def resolve(_, *, alpha, family):
        if family.name not in ("frcnn-resnet50", "mask-rcnn-resnet50"):
            raise TrainingError("fits not")

    monkeypatch.setattr(model_choice.base_weights, "resolve", resolve)
    cell = dataclasses.replace(sample([[0, 0, 100, 64]]), converted={"polygon": 1})
    chosen = choose(str(file), RequestedConfig(), [cell])

    assert chosen.model == "mask-rcnn-resnet50"
    assert "resnet50.h5 has weights of its backbone, and 100% of the objects were drawn as outlines" in chosen.why
    assert "for boxes alone: --model frcnn-resnet50." in chosen.why


@pytest.mark.parametrize("home", ["/proc/weights", None])
def test_weights_that_cannot_be_kept_are_no_reason_to_fail(monkeypatch, caplog, home):
    # As in a container whose only writable folder is /tmp, and whose user has no home.
    monkeypatch.undo()
    monkeypatch.delenv("PREANNOTATE_OFFLINE", raising=False)
    monkeypatch.setattr(backbone.Backbone, "is_cached", lambda self: self.package is not None)
    monkeypatch.setattr(published_weights.http, "download", lambda *_, **__: None)
    if home:
        monkeypatch.setenv("PREANNOTATE_WEIGHTS", home)
    else:
        monkeypatch.delenv("PREANNOTATE_WEIGHTS", raising=False)
        monkeypatch.setenv("XDG_CACHE_HOME", "")
        monkeypatch.setattr(Path, "home", _no_home)

    assert choose("auto", RequestedConfig(), [sample([[0, 0, 100, 64]])]).model == "ssd-efficientnet-lite0"
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "Set PREANNOTATE_WEIGHTS to" in caplog.text


def _no_home():
    raise RuntimeError("Could not determine home directory.")


def test_packaged_weights_where_there_is_no_network(monkeypatch):
    monkeypatch.setattr(backbone.Backbone, "is_cached", lambda self: self.package is not None)

    assert choose("auto", RequestedConfig(), [sample([[0, 0, 100, 64]])]).model == "ssd-efficientnet-lite0"


def test_the_input_is_the_one_that_training_will_have():
    """Boxes of 20 pixels would be 10 in the usual input."""
    why = choose("imagenet", RequestedConfig(), [sample([[0, 0, 20, 20]])]).why

    assert "half of them smaller than 18 pixels in an input of 576x576." in why


def test_a_requested_input_size_is_used():
    why = choose("none", RequestedConfig(image_size="640x640"), [sample([[0, 0, 100, 64]]), sample([])]).why

    assert why.endswith(
        "2 training images with 0.5 objects each, half of them smaller than 80 pixels in an input of 640x640."
    )


def test_weights_that_only_one_model_knows_decide():
    why = choose("lite0", RequestedConfig(), [sample([[0, 0, 100, 64]])]).why

    assert why.startswith(
        "ssd-efficientnet-lite0 is chosen (fast): no other model can start from these weights with this width; "
        "1 training image with 1.0 objects each"
    )


def test_a_width_that_only_one_model_has_decides(nothing_at_hand, monkeypatch):
    monkeypatch.setattr(published_weights, "find", lambda model: Path("here"))
    images = [sample([[0, 0, 100, 64]])]

    assert choose("auto", RequestedConfig(alpha=0.5), images).model == "ssd-mobilenet-v2"
    assert choose("auto", RequestedConfig(alpha=1.0), images).model == "yolox-nano"


def test_a_base_model_that_is_not_there_is_left_to_be_refused():
    assert choose("mine.h5", RequestedConfig(), [sample([[0, 0, 100, 64]])]).model == "ssd-mobilenet-v2"


def test_a_file_of_weights_decides(tmp_path):
    backbone_of = MODELS["ssd-efficientnet-lite0"].build_backbone(input_size=(96, 96), alpha=1.0)
    backbone_of.save_weights(tmp_path / "mine.weights.h5")

    chosen = choose(str(tmp_path / "mine.weights.h5"), RequestedConfig(), [])
    assert chosen.model == "ssd-efficientnet-lite0"
    assert chosen.why == "ssd-efficientnet-lite0 is chosen: mine.weights.h5 has weights of its backbone."


def test_a_file_that_fits_no_model_is_refused(tmp_path):
    (tmp_path / "mine.weights.h5").write_text("nothing")
    sentence = (
        "--base-model mine.weights.h5: fits no model; expected weights of a detector, or of a backbone without top. "
        "Name a model with --model to see why it does not fit."
    )

    with pytest.raises(TrainingError, match=f"^{re.escape(sentence)}$"):
        choose(str(tmp_path / "mine.weights.h5"), RequestedConfig(), [])


@pytest.mark.slow
def test_a_run_as_base_model_decides(trained):
    chosen = choose(str(trained[0]), RequestedConfig(), [])

    assert chosen.why == "ssd-mobilenet-v2 is chosen: rectangles is a run of this model."


KNOWN = list(MODELS)
CHOICES = (
    "auto, frcnn-inception-resnet-v2, frcnn-nas, frcnn-resnet101, frcnn-resnet50, mask-rcnn-resnet101, "
    "mask-rcnn-resnet50, ssd-efficientnet-lite0, ssd-mobilenet-v2, yolox-nano, yolox-nano-seg, yolox-s, yolox-s-seg, "
    "yolox-tiny, yolox-tiny-seg"
)


def refused(sentence):
    return pytest.raises(TrainingError, match=f"^{re.escape(sentence)}$")


def test_current_names_stay():
    assert [resolve_name(name, KNOWN) for name in KNOWN] == [(name, None) for name in KNOWN]
    assert resolve_name("auto", KNOWN) == ("auto", None)


@pytest.mark.parametrize("is_here", [False, True])
def test_models_of_boxes_are_chosen_although_others_start_from_the_same_weights(monkeypatch, is_here):
    monkeypatch.setattr(published_weights, "find", lambda model: Path("here") if is_here else None)

    assert choose("coco", RequestedConfig(), [sample([[0, 0, 100, 64]])]).model == "yolox-nano"


def test_capitals_and_underscores_do_not_matter():
    assert resolve_name(" SSD_MobileNet_v2", KNOWN) == ("ssd-mobilenet-v2", None)


@pytest.mark.parametrize(("old", "name"), TENSORFLOW_NAMES.items())
def test_old_spellings_are_accepted_with_a_note(old, name):
    note = f"--model: {old} is called {name} here; it starts from ImageNet weights, not from COCO's."

    assert resolve_name(old, KNOWN) == (name, note)


@pytest.mark.parametrize("name", ["yolo", "YOLOX"])
def test_yolo_is_the_small_yolox(name):
    assert resolve_name(name, KNOWN) == ("yolox-nano", f"--model: {name} is called yolox-nano here.")


@pytest.mark.parametrize("name", ["mask-rcnn", "Mask_RCNN", "maskrcnn"])
def test_mask_rcnn_is_that_on_the_smaller_backbone(name):
    assert resolve_name(name, KNOWN) == ("mask-rcnn-resnet50", f"--model: {name} is called mask-rcnn-resnet50 here.")


def test_every_other_name_leads_to_a_model():
    assert set(ALIASES.values()) <= set(KNOWN)


def test_an_old_spelling_of_a_model_that_is_not_there_is_refused():
    with refused("--model: unknown model 'frcnn-nas-coco'; expected one of: auto, ssd-mobilenet-v2."):
        resolve_name("frcnn-nas-coco", ["ssd-mobilenet-v2"])


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("yolov8n", "Use yolox-nano; `preannotate import` packages a YOLO that was trained elsewhere."),
        ("YOLO-v3", "Use yolox-nano; `preannotate import` packages a YOLO that was trained elsewhere."),
        ("yolo11n", "Use yolox-nano; `preannotate import` packages a YOLO that was trained elsewhere."),
        ("yolox_l", "Use yolox-nano, yolox-tiny or yolox-s."),
        ("mask_rcnn_inception", "Use mask-rcnn-resnet50, or yolox-nano-seg, which is faster."),
        ("maskrcnn_resnet50_fpn", "Use mask-rcnn-resnet50, or yolox-nano-seg, which is faster."),
    ],
)
def test_what_is_not_trained_here_has_another_way(name, remedy):
    with refused(f"--model: {name!r} is not trained here; expected one of: {CHOICES}. {remedy}"):
        resolve_name(name, KNOWN)


def test_an_unknown_name_is_refused_with_the_choices():
    with refused(f"--model: unknown model 'retina'; expected one of: {CHOICES}."):
        resolve_name("retina", KNOWN)
