from dataclasses import replace

from trainer.recommendation import TrainingConditions, recommend

MODELS = ("ssd-mobilenet-v2", "ssd-efficientnet-lite0", "frcnn-resnet50")
PHOTOS = TrainingConditions(
    images=100,
    sides=[100.0] * 150,
    input_size=(384, 288),
    gpu=False,
    pretrained=True,
    cached=["ssd-efficientnet-lite0"],
    models=MODELS,
)
DATA = "100 training images with 1.5 objects each, half of them smaller than 100 pixels in an input of 384x288."
SMALL = replace(PHOTOS, images=800, sides=[24.0] * 1600, gpu=True)


def test_weights_at_hand_decide_on_a_cpu():
    chosen = recommend(PHOTOS)

    assert chosen.model == "ssd-efficientnet-lite0"
    assert chosen.why == (
        "ssd-efficientnet-lite0 is chosen: its pretrained weights are installed, those of ssd-mobilenet-v2 would have "
        f"to be fetched; {DATA}"
    )


def test_the_default_where_its_weights_are_at_hand():
    assert recommend(replace(PHOTOS, cached=MODELS)).why == (
        "ssd-mobilenet-v2 is chosen: it is the fastest, and its pretrained weights are on this machine; " + DATA
    )


def test_the_default_where_no_weights_are_at_hand():
    assert recommend(replace(PHOTOS, cached=[])).why == (
        "ssd-mobilenet-v2 is chosen: it is the fastest; Keras will try to fetch its pretrained weights; " + DATA
    )


def test_random_weights_want_the_smallest_network():
    assert recommend(replace(PHOTOS, pretrained=False)).why == (
        "ssd-mobilenet-v2 is chosen: without pretrained weights the smallest network learns soonest; " + DATA
    )


def test_two_stages_for_small_objects_where_there_are_a_gpu_and_many_images():
    assert recommend(SMALL).why == (
        "frcnn-resnet50 is chosen: there are a GPU, enough images and small objects, for which two stages are made; "
        "800 training images with 2.0 objects each, half of them smaller than 24 pixels in an input of 384x288."
    )


def test_two_stages_for_crowded_images():
    crowded = recommend(replace(SMALL, sides=[60.0] * 8000))

    assert crowded.model == "frcnn-resnet50"
    assert "enough images and many objects in an image, for which" in crowded.why


def test_every_condition_of_two_stages_counts():
    for missing in (
        {"gpu": False},
        {"images": 499},
        {"sides": [60.0] * 1600},
        {"models": MODELS[:2]},
    ):
        assert recommend(replace(SMALL, **missing)).model == "ssd-efficientnet-lite0"


def test_tiny_objects_suggest_a_larger_input():
    assert recommend(replace(PHOTOS, sides=[100.0] * 80 + [12.0] * 20)).why.endswith(
        "in an input of 384x288. 20% are smaller than 16 pixels there: image_size=768x576 would find more of them."
    )


def test_images_without_objects_are_no_error():
    assert recommend(replace(PHOTOS, sides=[])).why.endswith("; 100 training images with 0.0 objects each.")
