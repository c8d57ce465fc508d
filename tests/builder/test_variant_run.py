"""Replies that CVAT would choke on, sooner or later, are refused."""

import json

import pytest

from builder.variant_run import parse_reply
from runtime.cvat import rectangle, reply
from runtime.detector import Detection

GOOD = {"confidence": "0.9", "label": "cat", "points": [1, 2, 3.5, 4], "type": "rectangle"}


def read(body, status=200, content_type="application/json"):
    body = body if isinstance(body, str) else json.dumps(body)
    response = {"status_code": status, "content_type": content_type, "body": body}
    return parse_reply(response, ("cat", "dog"), (10, 8))


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
