from dataclasses import replace

import pytest

from trainer import recommendation
from trainer.recommendation import COCO_MODELS, TrainingConditions, recommend

MODELS = (*COCO_MODELS, "ssd-mobilenet-v2", "ssd-efficientnet-lite0", "frcnn-resnet50")
PHOTOS = TrainingConditions(
    images=100,
    sides=[100.0] * 150,
    input_size=(384, 288),
    gpu=False,
    pretrained=True,
    coco=["yolox-nano"],
    imagenet=["ssd-efficientnet-lite0"],
    models=MODELS,
)
DATA = "100 training images with 1.5 objects each, half of them smaller than 100 pixels in an input of 384x288."


@pytest.fixture(autouse=True)
def two_cores(monkeypatch):
    monkeypatch.setattr(recommendation, "cores", lambda: 2)


def test_coco_weights_come_first():
    chosen = recommend(PHOTOS)

    assert (chosen.model, chosen.accurate) == ("yolox-nano", None)
    because = "it is pretrained on COCO, so it needs few images and minutes"
    assert chosen.why == f"yolox-nano is chosen (fast): {because}; {DATA}"


def test_the_minutes_and_the_more_accurate_model_are_named():
    known = replace(PHOTOS, coco=["yolox-nano", "yolox-s"], minutes={"yolox-nano": 4.4, "yolox-s": 31.0})
    chosen = recommend(known)

    assert (chosen.model, chosen.accurate) == ("yolox-nano", "yolox-s")
    assert chosen.why == (
        "yolox-nano is chosen (fast, about 4 minutes on 2 CPU cores): it is pretrained on COCO, so it needs few images "
        f"and minutes; {DATA} More accurate: --model yolox-s (about 31 minutes on 2 CPU cores)."
    )


def test_a_package_with_weights_where_those_of_coco_cannot_be_had():
    chosen = recommend(replace(PHOTOS, coco=[]))

    assert chosen.model == "ssd-efficientnet-lite0"
    assert chosen.why == (
        "ssd-efficientnet-lite0 is chosen (fast): its ImageNet weights are installed, COCO weights for yolox-nano are "
        f"not here; {DATA}"
    )


@pytest.mark.parametrize("cached", ["ssd-mobilenet-v2", "frcnn-resnet50"])
def test_any_pretrained_weights_rather_than_random_ones(cached):
    assert recommend(replace(PHOTOS, coco=[], imagenet=[cached])).model == cached


def test_the_package_before_a_cached_download():
    assert recommend(replace(PHOTOS, coco=[], imagenet=MODELS[3:])).model == "ssd-efficientnet-lite0"


def test_no_weights_at_all():
    assert recommend(replace(PHOTOS, coco=[], imagenet=[])).why == (
        "ssd-mobilenet-v2 is chosen (fast): Keras will try to fetch its ImageNet weights, COCO weights for yolox-nano "
        f"are not here; {DATA}"
    )


def test_random_weights_want_the_smallest_network():
    assert recommend(replace(PHOTOS, pretrained=False)).why == (
        f"ssd-mobilenet-v2 is chosen (fast): without pretrained weights the smallest network learns soonest; {DATA}"
    )


def test_a_gpu_has_time_for_the_larger_network():
    chosen = recommend(replace(PHOTOS, gpu=True, coco=["yolox-nano", "yolox-tiny"]))

    assert (chosen.model, chosen.accurate) == ("yolox-tiny", None)
    assert chosen.why.startswith(
        "yolox-tiny is chosen (accurate): it is pretrained on COCO, and a GPU has time for the larger "
    )


def test_only_coco_weights_are_asked_for_and_none_are_here():
    # The training then says which file to bring.
    assert recommend(replace(PHOTOS, coco=[], imagenet=[], models=COCO_MODELS)).model == "yolox-nano"


def test_what_needs_more_memory_than_is_free_is_not_chosen():
    tight = replace(PHOTOS, coco=["yolox-s", "yolox-nano"], memory={"yolox-nano": 2.5, "yolox-s": 5.0}, free_memory=4.0)

    assert (recommend(tight).model, recommend(tight).accurate) == ("yolox-nano", None)
    assert recommend(replace(tight, coco=["yolox-s"])).model == "ssd-efficientnet-lite0"
    assert recommend(replace(tight, coco=["yolox-s"], gpu=True)).model == "yolox-s", "a GPU has memory of its own"
    assert recommend(replace(tight, free_memory=None)).accurate == "yolox-s"


def test_less_memory_than_any_model_needs_is_no_reason_for_random_weights():
    assert recommend(replace(PHOTOS, memory=dict.fromkeys(MODELS, 3.0), free_memory=1.0)).model == "yolox-nano"


def test_tiny_objects_suggest_a_larger_input():
    assert recommend(replace(PHOTOS, sides=[100.0] * 80 + [12.0] * 20)).why.endswith(
        "in an input of 384x288. 20% are smaller than 16 pixels there: image_size=768x576 would find more of them."
    )


def test_images_without_objects_are_no_error():
    assert recommend(replace(PHOTOS, sides=[])).why.endswith("; 100 training images with 0.0 objects each.")


WITH_MASKS = [f"{model}-seg" for model in COCO_MODELS]


def test_outlines_are_learnt_where_most_objects_have_them():
    cells = replace(PHOTOS, outlined=0.83, with_masks=WITH_MASKS)
    chosen = recommend(cells)

    assert chosen.model == "yolox-nano-seg"
    assert chosen.why == (
        f"yolox-nano-seg is chosen (fast): it is pretrained on COCO, so it needs few images and minutes; {DATA} "
        "83% of the objects were drawn as outlines, so it learns outlines too; for boxes alone: --model yolox-nano."
    )
    assert recommend(replace(cells, outlined=0.49)) == recommend(PHOTOS)
    assert recommend(replace(cells, pretrained=False)).model == "yolox-nano-seg"


def test_the_larger_networks_learn_outlines_too():
    cells = replace(PHOTOS, outlined=1.0, with_masks=WITH_MASKS, coco=COCO_MODELS)

    assert recommend(cells).accurate == "yolox-s-seg"
    assert recommend(replace(cells, gpu=True)).model == "yolox-s-seg"


def test_pretrained_boxes_rather_than_outlines_from_random_weights():
    chosen = recommend(replace(PHOTOS, outlined=1.0, with_masks=WITH_MASKS, coco=[]))

    assert chosen.model == "ssd-efficientnet-lite0"
    assert chosen.why.endswith(
        "100% of the objects were drawn as outlines, and only the boxes around them are learnt: --model yolox-nano-seg "
        "learns them, and needs the COCO weights of yolox-nano."
    )
    assert "no model that learns them can start from these weights" in recommend(replace(PHOTOS, outlined=1.0)).why
