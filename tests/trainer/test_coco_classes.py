import pytest

from trainer.coco_classes import COCO_CLASSES, coco_class_ids


def test_the_classes_are_those_of_coco_in_its_order():
    assert len(COCO_CLASSES) == len(set(COCO_CLASSES)) == 80
    ends = [COCO_CLASSES[number] for number in (0, 2, 9, 16, 39, 57, 62, 79)]
    assert ends == ["person", "car", "traffic light", "dog", "bottle", "couch", "tv", "toothbrush"]


def test_every_class_is_known_in_any_spelling():
    everything = dict(enumerate(range(80)))
    for spelling in (str, str.upper, str.title):
        for separator in (" ", "_", "-", ""):
            assert coco_class_ids([spelling(name).replace(" ", separator) for name in COCO_CLASSES]) == everything


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("Cars", "car"),
        ("traffic-lights", "traffic light"),
        ("buses", "bus"),
        ("benches", "bench"),
        ("knives", "knife"),
        ("aeroplane", "airplane"),
        ("motorbike", "motorcycle"),
        ("tvmonitor", "tv"),
        ("diningtable", "dining table"),
        ("pottedplant", "potted plant"),
        ("sofa", "couch"),
        ("Mobile_Phone", "cell phone"),
        (" pedestrian ", "person"),
        ("skis", "skis"),
    ],
)
def test_plurals_and_names_of_other_lists_mean_their_class(label, name):
    assert coco_class_ids([label]) == {0: COCO_CLASSES.index(name)}


@pytest.mark.parametrize("label", ["", "s", "es", "-", "raccoon", "car door", "bike", "bu", "glass", "Arduino", "人"])
def test_other_labels_are_not_known(label):
    assert coco_class_ids([label]) == {}


def test_labels_keep_their_places_and_may_share_a_class():
    assert coco_class_ids(["bolt", "dog", "nut", "Person", "pedestrian"]) == {1: 16, 3: 0, 4: 0}
