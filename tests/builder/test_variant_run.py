"""Replies that CVAT would choke on, sooner or later, are refused."""

import json
from dataclasses import replace

import pytest

from builder import probe
from builder.variant_run import as_answered, parse_reply
from evaluation.polygon_filling import polygon_mask
from runtime.cvat import rectangle, reply, shapes
from runtime.detector import Detection
from runtime.manifest import Manifest, MaskHead, MaskKind, Postprocess
from runtime.masks import InstanceMask
from runtime.polygons import polygon

GOOD = {"confidence": "0.9", "label": "cat", "points": [1, 2, 3.5, 4], "type": "rectangle"}


def read(body, status=200, content_type="application/json", kind="rectangle"):
    body = body if isinstance(body, str) else json.dumps(body)
    response = {"status_code": status, "content_type": content_type, "body": probe.pack(body)}
    return parse_reply(response, ("cat", "dog"), (10, 8), lambda class_id: kind)


def test_what_the_runtime_writes_is_read_back():
    detection = Detection("dog", 1, 0.25, (0.0, 0.0, 10.0, 8.0))
    assert read(reply([rectangle(detection)])) == ([detection], [])
    assert read([]) == ([], [])


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"type": "Rectangle"}, "type 'Rectangle' is not 'rectangle'"),
        ({"label": "cow"}, "label 'cow' is not in function.yaml"),
        ({"confidence": 0.9}, "confidence 0.9 is not a text"),
        ({"points": [1, 2, 3]}, "points [1, 2, 3] are not four plain numbers"),
        ({"points": ["1", 2, 3, 4]}, "points ['1', 2, 3, 4] are not four plain numbers"),
        ({"points": [True, 2, 3, 4]}, "points [True, 2, 3, 4] are not four plain numbers"),
        ({"points": [[1, 2], [3, 4]]}, "points [[1, 2], [3, 4]] are not four plain numbers"),
        ({"points": [3, 2, 1, 4]}, "points [3, 2, 1, 4] are not a box within 10x8"),
        ({"points": [1, 2, 1, 4]}, "points [1, 2, 1, 4] are not a box within 10x8"),
        ({"points": [0, 0, 10, 8.01]}, "points [0, 0, 10, 8.01] are not a box within 10x8"),
        ({"points": [-0.01, 0, 1, 1]}, "points [-0.01, 0, 1, 1] are not a box within 10x8"),
    ],
)
def test_one_wrong_thing(change, problem):
    assert read([{**GOOD, **change}]) == ([], [problem])


def test_nan_is_not_json():
    text = json.dumps([GOOD]).replace("3.5", "NaN")
    assert read(text) == ([], ["the body is not JSON (NaN is not a number)"])


def test_an_object_is_not_a_list():
    assert read({"error": "x"}) == ([], ["the body is a dict, CVAT wants a list"])


def test_a_missing_key():
    assert read([{"label": "cat"}]) == ([], ["shape {'label': 'cat'} lacks one of confidence, label, points, type"])


def test_an_error_status_and_plain_text():
    assert read("boom", status=500) == ([], ["status 500, application/json: boom"])
    assert read([], content_type="text/plain") == ([], ["status 200, text/plain: []"])


MASK = InstanceMask.from_bitmap([[0, 1, 1], [1, 1, 1], [1, 1, 1]], 6, 4)
HEAD, LABEL_TYPES = MaskHead(MaskKind.BOX_MASKS), ("polygon", "mask", "rectangle")
FOUND = Detection("dog", 1, 0.25, (5.5, 3.5, 9.0, 7.0), MASK)


def test_masks_and_polygons_that_the_runtime_writes_are_read_back():
    (as_mask,), problems = read(reply(shapes([FOUND], lambda class_id: "mask")), kind="mask")
    assert problems == []
    assert as_mask == Detection("dog", 1, 0.25, (6.0, 4.0, 9.0, 7.0), MASK)
    (as_polygon,), problems = read(reply(shapes([FOUND], lambda class_id: "polygon")), kind="polygon")
    assert problems == []
    assert as_polygon.box == (6.0, 4.0, 9.0, 7.0)
    # The polygon rounds off the corner that the mask lacks.
    assert as_polygon.mask == polygon_mask(polygon(MASK))


def test_detections_as_they_are_answered():
    """As masks and polygons, and in place of masks that are too many polygons."""
    detections = [[FOUND, replace(FOUND, class_id=0), replace(FOUND, class_id=2)]]
    manifest = Manifest("m", ("cat", "dog", "owl"), (64, 64), Postprocess(0.5, (0.5,) * 3), {}, HEAD, LABEL_TYPES)

    ((of_dog, of_cat, of_owl),) = as_answered(detections, manifest)

    assert (of_dog.mask, of_dog.box) == (MASK, MASK.box)
    assert (of_cat.mask, of_cat.box) == (polygon_mask(polygon(MASK)), MASK.box)
    assert (of_owl.mask, of_owl.box) == (None, FOUND.box)


def test_what_is_too_much_for_an_answer_is_compared_as_the_polygon_that_it_is(monkeypatch):
    monkeypatch.setattr("runtime.cvat.MAX_MASK_PIXELS", 9)
    manifest = Manifest("m", ("cat", "dog", "owl"), (64, 64), Postprocess(0.5, (0.5,) * 3), {}, HEAD, LABEL_TYPES)

    ((first, second),) = as_answered([[FOUND, FOUND]], manifest)

    assert (first.mask, second.mask) == (MASK, polygon_mask(polygon(MASK)))


GOOD_MASK = {
    "confidence": "0.9",
    "label": "cat",
    "type": "mask",
    "points": [1, 1, 4, 1, 4, 3],
    "mask": [0, 1, 2, 3, 3, 3],
}
NO_BITS = "values are not a 0 or a 1 for each pixel of [2, 3, 3, 3], with a 1 among them"
NO_POINTS = "are not x and y of three points or more, in plain numbers"
NO_POLYGON = "are not a polygon within 10x8 that does not cross itself"


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"type": "rectangle"}, "type 'rectangle' is not 'mask'"),
        ({"mask": None}, "mask None is not a list of whole numbers"),
        ({"mask": []}, "mask [] is not a list of whole numbers"),
        ({"mask": [[0, 1], 2, 3, 3, 3]}, "mask [[0, 1], 2, 3, 3, 3] is not a list of whole numbers"),
        ({"mask": [0.0, 1, 2, 3, 3, 3]}, "mask [0.0, 1, 2, 3, 3, 3] is not a list of whole numbers"),
        ({"mask": [1, 2, 3, 3, 3]}, f"mask: 1 {NO_BITS}"),
        ({"mask": [0, 0, 2, 3, 3, 3]}, f"mask: 2 {NO_BITS}"),
        ({"mask": [0, 255, 2, 3, 3, 3]}, f"mask: 2 {NO_BITS}"),
        ({"mask": [0, 1, 9, 3, 10, 3]}, "mask: [9, 3, 10, 3] is not a box of pixels within 10x8"),
        ({"points": [1, 1, 4, 1]}, f"points [1, 1, 4, 1] {NO_POINTS}"),
        ({"points": [1, 1, 4, 1, 2]}, f"points [1, 1, 4, 1, 2] {NO_POINTS}"),
        ({"points": [0, 0, 4, 4, 4, 0, 0, 4]}, f"points [0, 0, 4, 4, 4, 0, ...] {NO_POLYGON}"),
        ({"points": [0, 0, 10.01, 0, 4, 4]}, f"points [0, 0, 10.01, 0, 4, 4] {NO_POLYGON}"),
    ],
)
def test_one_wrong_thing_of_a_mask(change, problem):
    assert read([GOOD_MASK], kind="mask")[1] == []
    assert read([{**GOOD_MASK, **change}], kind="mask") == ([], [problem])


def test_a_polygon_in_place_of_a_mask_that_was_too_much_is_right():
    polygon = {**GOOD_MASK, "type": "polygon"}
    assert read([polygon], kind="mask")[1] == []
    assert read([polygon])[1] == ["type 'polygon' is not 'rectangle'"]
