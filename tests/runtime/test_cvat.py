"""CVAT's requests and replies, as a real CVAT was seen to send and store them."""

import base64
import io
import json
import math
import re
import types
from dataclasses import replace

import pytest
import yaml
from PIL import Image

from runtime import cvat
from runtime.cvat import decode_request, mask_points, rectangle, reply, shapes
from runtime.detector import Detection
from runtime.errors import LabelError, RequestError
from runtime.function_file import FunctionLabel, read_labels, rename_classes
from runtime.manifest import Manifest, MaskHead, MaskKind, Postprocess
from runtime.masks import InstanceMask

EXPECTED_BODY = 'expected {"image": "<base64 of an image file>"} and, if wanted, "threshold"'


def event(body):
    return types.SimpleNamespace(body=body)


def png() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (3, 2), (1, 2, 3)).save(buffer, "PNG")
    return buffer.getvalue()


def expect(body, sentence):
    with pytest.raises(RequestError, match=f"^{re.escape(sentence)}$"):
        decode_request(event(body))


BASE64 = base64.b64encode(png()).decode()


@pytest.mark.parametrize(
    "body",
    [
        {"image": BASE64, "threshold": 0.25},
        json.dumps({"image": BASE64, "threshold": 0.25}).encode(),
        json.dumps({"image": BASE64, "threshold": 0.25}),
        "\ufeff".encode() + json.dumps({"image": BASE64, "threshold": 0.25}).encode(),
        memoryview(json.dumps({"image": BASE64, "threshold": 0.25}).encode()),
    ],
    ids=["parsed by nuclio", "bytes", "text", "bytes with a byte order mark", "a view of bytes"],
)
def test_body_may_be_parsed_or_not(body):
    request = decode_request(event(body))
    assert request.image == png()
    assert request.threshold == 0.25


@pytest.mark.parametrize("body", [{"image": BASE64}, {"image": BASE64, "threshold": None}])
def test_no_threshold_leaves_it_to_the_model(body):
    assert decode_request(event(body)).threshold is None


@pytest.mark.parametrize(
    ("text", "number"), [("0.4", 0.4), ("0", 0.0), ("1", 1.0), (" .5\n", 0.5), ("1.", 1.0), ("+25e-2", 0.25)]
)
def test_a_threshold_may_be_text_as_in_functions_of_cvat(text, number):
    assert decode_request(event({"image": BASE64, "threshold": text})).threshold == number


def test_the_body_is_let_go_of():
    request = event({"image": BASE64})
    decode_request(request)
    assert request.body is None


@pytest.mark.parametrize(
    "body", [b"[" + b"1," * 300_000 + b"1]", b'{"image": [' + b"[]," * 300_000 + b"[]]}", "[" + "{}," * 300_000 + "{}]"]
)
def test_json_of_millions_of_values_is_not_parsed(body):
    expect(body, f"body: JSON of more than 200000 values; {EXPECTED_BODY}.")


def test_a_body_longer_than_any_image_is_not_parsed(monkeypatch):
    monkeypatch.setattr("runtime.cvat._MAX_BODY", 99)
    expect(b" " * 100, "body: 100 bytes; expected at most 99. Send a smaller image, or send it as JPEG.")


def test_long_text_of_wide_letters_is_not_parsed():
    for body in (b"A" * 17_000_000 + "\N{GRINNING FACE}".encode(), b'"' + b"A" * 17_000_000 + b'\\ud83d\\ude00"'):
        expect(body, f"body: {len(body)} bytes with other letters than ASCII; {EXPECTED_BODY}.")


def test_spaces_between_all_letters_of_base64():
    spaces = " \t\n\r\v\f\x1c\x1f\x85\xa0\u2003\u3000"
    text = "".join(letter + spaces[number % len(spaces)] for number, letter in enumerate(BASE64))
    assert decode_request(event({"image": text})).image == png()


@pytest.mark.parametrize("threshold", [0, 1, 0.0, 1.0, 1e-9])
def test_threshold_includes_both_ends(threshold):
    assert decode_request(event({"image": BASE64, "threshold": threshold})).threshold == threshold


@pytest.mark.parametrize(
    "text",
    [
        "data:image/png;base64," + BASE64,
        "\n".join(BASE64[i : i + 10] for i in range(0, len(BASE64), 10)),
        BASE64 + "\r\n",
    ],
    ids=["data URL", "lines", "final line break"],
)
def test_base64_as_people_write_it(text):
    assert decode_request(event({"image": text})).image == png()


@pytest.mark.parametrize("text", ["YWI", "YWI="])
def test_base64_with_and_without_padding(text):
    assert decode_request(event({"image": text})).image == b"ab"


def test_unknown_keys_are_ignored():
    assert decode_request(event({"image": BASE64, "roi": [1, 2]})).image == png()


def test_not_json():
    expect(
        b"hello",
        f"body: 5 bytes that are not JSON (Expecting value: line 1 column 1 (char 0)); {EXPECTED_BODY}.",
    )


def test_empty_body():
    expect(b"", f"body: 0 bytes that are not JSON (Expecting value: line 1 column 1 (char 0)); {EXPECTED_BODY}.")


def test_raw_image_bytes_are_not_json():
    with pytest.raises(RequestError, match=r"^body: \d+ bytes that are not JSON \('utf-8' codec can't decode"):
        decode_request(event(png()))


def test_absurdly_nested_json():
    with pytest.raises(RequestError, match=r"^body: 200000 bytes that are not JSON \(maximum recursion depth"):
        decode_request(event(b"[" * 200000))


@pytest.mark.parametrize(
    ("body", "name"),
    [(b"[1]", "array"), (b'"a"', "text"), (b"7", "number"), (b"null", "null"), (b"true", "boolean")],
)
def test_json_that_is_no_object(body, name):
    expect(body, f"body: JSON of type {name}; {EXPECTED_BODY}.")


def test_no_body_at_all():
    expect(None, f"body: JSON of type null; {EXPECTED_BODY}.")


def test_no_image():
    expect({"img": "", "threshold": 1}, f"body: no key 'image' among ['img', 'threshold']; {EXPECTED_BODY}.")


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (7, "number"),
        (0.5, "number"),
        (None, "null"),
        ([BASE64], "array"),
        ({"a": 1}, "object"),
        (True, "boolean"),
    ],
)
def test_image_that_is_no_text(value, name):
    expect({"image": value}, f"image: JSON of type {name}; expected an image file as base64 text.")


@pytest.mark.parametrize("text", ["", " \n", "data:image/png;base64,", "data:image/png"])
def test_empty_image(text):
    expect({"image": text}, "image: empty text; expected an image file as base64 text.")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("*&^%", "Only base64 data is allowed"),
        ("http://example.com/a.jpg", "Only base64 data is allowed"),
        ("ab-_", "Only base64 data is allowed"),
        ("bildü", "string argument should contain only ASCII characters"),
    ],
)
def test_image_that_is_not_base64(text, reason):
    expect({"image": text}, f"image: text that is not base64 ({reason}); expected an image file as base64 text.")


def test_base64_with_one_character_too_many():
    with pytest.raises(RequestError, match=r"^image: text that is not base64 \(.+\); expected an image file"):
        decode_request(event({"image": "abcde"}))


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (-0.1, "-0.1"),
        (1.01, "1.01"),
        (50, "50"),
        ("", "''"),
        ("half", "'half'"),
        ("nan", "'nan'"),
        ("inf", "'inf'"),
        ("1.0000001", "'1.0000001'"),
        ("-0.1", "'-0.1'"),
        ("1e400", "'1e400'"),
        ("0_5", "'0_5'"),
        ("0x1", "'0x1'"),
        ("0,5", "'0,5'"),
        ("\u0660", "'\u0660'"),
        ("0." + "1" * 100, "'0.1111111111...1111111111111'"),
        (True, "True"),
        ([0.5], "[0.5]"),
        (math.nan, "nan"),
        (math.inf, "inf"),
        ("x" * 1000, "'xxxxxxxxxxxx...xxxxxxxxxxxxx'"),
    ],
)
def test_threshold_that_is_none(value, shown):
    sentence = f"threshold: {shown}; expected a number in [0, 1], or none for the model's own."
    expect({"image": BASE64, "threshold": value}, sentence)


def test_threshold_nan_in_the_text_of_the_body():
    sentence = "threshold: nan; expected a number in [0, 1], or none for the model's own."
    expect(b'{"image": "%s", "threshold": NaN}' % BASE64.encode(), sentence)


def shape(*box, score=0.5):
    return rectangle(Detection("cat", 0, score, box))


def test_rectangle_is_what_cvat_stores():
    assert shape(1.23456, 2, 30.5, 40.999, score=0.91234567) == {
        "confidence": "0.9123",
        "label": "cat",
        "points": [1.23, 2.0, 30.5, 41.0],
        "type": "rectangle",
    }


def test_points_are_plain_floats_even_of_numpy_numbers():
    import numpy as np

    points = shape(*np.array([1, 2, 3, 4], np.float32))["points"]
    assert points == [1, 2, 3, 4]
    assert all(type(value) is float for value in points)


@pytest.mark.parametrize(
    ("low", "high"),
    [(0, 0.004), (639.996, 640), (10.001, 10.004), (1.015, 1.025), (12.5, 12.5001), (0.0049, 0.0051)],
)
def test_rounding_never_empties_a_box_nor_leaves_the_image(low, high):
    x1, y1, x2, y2 = shape(low, low, high, high)["points"]
    assert 0 <= x1 < x2 <= 640
    assert 0 <= y1 < y2 <= 640
    assert x1 == pytest.approx(low, abs=0.0101)
    assert x2 == pytest.approx(high, abs=0.0101)


def test_reply_is_json_text_with_every_letter():
    assert reply([{"label": "Größe"}]) == '[{"label": "Größe"}]'


def test_reply_refuses_nan():
    with pytest.raises(ValueError, match="Out of range float values are not JSON compliant"):
        reply([{"points": [math.nan]}])


# 2 x 2 pixels of an L at (5, 7): ".#" above "##".
L_SHAPE = InstanceMask.from_bitmap([[0, 1], [1, 1]], 5, 7)


def masked(mask=L_SHAPE, class_id=0):
    return Detection("cat", class_id, 0.5, (4.5, 6.5, 7.5, 9.5), mask)


def test_a_mask_is_answered_as_pixels_of_its_box_and_as_a_polygon():
    text = reply(shapes([masked()], lambda class_id: "mask"))
    (found,) = json.loads(text)
    assert found.pop("mask") == [0, 1, 1, 1, 5, 7, 6, 8]
    points = found.pop("points")
    assert len(points) >= 6
    assert len(points) % 2 == 0
    assert all(5 <= x <= 7 for x in points[::2])
    assert all(7 <= y <= 9 for y in points[1::2])
    assert found == {"confidence": "0.5000", "label": "cat", "type": "mask"}


def test_the_type_of_the_label_decides():
    found = shapes([masked(class_id=k) for k in range(3)], ["polygon", "rectangle", "mask"].__getitem__)
    assert [one["type"] for one in found] == ["polygon", "rectangle", "mask"]
    assert found[0]["points"] == found[2]["points"]
    assert "mask" not in found[0]
    assert found[1] == rectangle(masked())
    assert shapes([masked(None)], lambda class_id: "mask") == [rectangle(masked())]


def test_masks_that_are_too_much_for_one_answer_are_polygons(monkeypatch):
    monkeypatch.setattr(cvat, "MAX_MASK_PIXELS", 9)
    found = shapes([masked()] * 3, lambda class_id: "mask")
    assert [one["type"] for one in found] == ["mask", "mask", "polygon"]


def test_cvat_keeps_a_mask_as_runs():
    assert mask_points(L_SHAPE) == [1, 3, 5, 7, 6, 8]


def test_masks_stand_between_other_shapes_of_any_name():
    names = ['"mask": [', "}", "größe"]
    found = json.loads(reply(shapes([replace(masked(), label=name) for name in names], lambda class_id: "mask")))
    assert [one["label"] for one in found] == names
    assert {tuple(one["mask"]) for one in found} == {(0, 1, 1, 1, 5, 7, 6, 8)}


def write_function(path, spec):
    path.write_text(yaml.safe_dump({"metadata": {"annotations": {"spec": spec}}}), encoding="utf-8")
    return path


@pytest.fixture
def path(tmp_path):
    return tmp_path / "function.yaml"


def test_labels_by_id_in_any_order(path):
    spec = '[{"id": 1, "name": "Hund"}, {"id": 0, "name": "cat", "type": "rectangle"}]'
    assert read_labels(write_function(path, spec)) == {
        0: FunctionLabel("cat", "rectangle"),
        1: FunctionLabel("Hund"),
    }


def expect_label_error(path, sentence):
    with pytest.raises(LabelError, match=f"^{re.escape(sentence)}$"):
        read_labels(path)


REMEDY = (
    "expected a JSON list of labels, each with id and name, in metadata.annotations.spec. Build the function again."
)


def test_no_function_yaml(path):
    expect_label_error(path, f"{path}: FileNotFoundError [Errno 2] No such file or directory: '{path}'; {REMEDY}")


def test_spec_that_is_not_json(path):
    write_function(path, "- cat")
    expect_label_error(path, f"{path}: JSONDecodeError Expecting value: line 1 column 1 (char 0); {REMEDY}")


def test_label_without_id(path):
    write_function(path, '[{"name": "cat"}]')
    expect_label_error(path, f"{path}: KeyError 'id'; {REMEDY}")


@pytest.mark.parametrize(
    "content",
    ["", "metadata: 7", "metadata: {annotations: {}}", "a: [", "metadata: {annotations: {spec: '7'}}"],
)
def test_function_yaml_without_labels(path, content):
    path.write_text(content)
    with pytest.raises(LabelError, match=re.escape(REMEDY)):
        read_labels(path)


def test_an_id_twice(path):
    write_function(path, '[{"id": 0, "name": "cat"}, {"id": 0, "name": "dog"}]')
    expect_label_error(path, f"{path}: label ids [0, 0]; expected whole numbers, each only once.")


def test_a_name_twice(path):
    write_function(path, '[{"id": 0, "name": "cat"}, {"id": 1, "name": "cat"}]')
    sentence = f"{path}: label names ['cat', 'cat']; expected texts, each only once. CVAT refuses others."
    expect_label_error(path, sentence)


MANIFEST = Manifest("ssd", ("cat", "dog"), (32, 32), Postprocess(0.5, (0.5, 0.5)))


def test_names_of_function_yaml_win():
    labels = {1: FunctionLabel("Hund", "polygon"), 0: FunctionLabel("Katze")}
    renamed = rename_classes(MANIFEST, labels)
    assert renamed.labels == ("Katze", "Hund")
    assert [renamed.label_type(class_id) for class_id in (0, 1)] == ["rectangle", "rectangle"]


def test_types_of_function_yaml_win_where_the_network_gives_masks():
    head = MaskHead(MaskKind.BOX_MASKS)
    manifest = replace(MANIFEST, mask_head=head, label_types=("rectangle", "rectangle"))
    labels = {0: FunctionLabel("Katze", "polygon"), 1: FunctionLabel("Hund")}
    assert rename_classes(manifest, labels).label_types == ("polygon", "mask")


@pytest.mark.parametrize("ids", [[0], [0, 1, 2], [1, 2]])
def test_one_label_for_each_class(ids):
    labels = {class_id: FunctionLabel(f"label {class_id}") for class_id in ids}
    sentence = (
        f"function.yaml: label ids {sorted(labels)!r} in metadata.annotations.spec; expected 0 to 1, "
        "the classes in model.json. Edit names freely, but keep one entry per class."
    )
    with pytest.raises(LabelError, match=f"^{re.escape(sentence)}$"):
        rename_classes(MANIFEST, labels)
