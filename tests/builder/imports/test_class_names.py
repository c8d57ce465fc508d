import re
from pathlib import Path

import pytest

from builder.errors import BuildError
from builder.imports.class_names import names_inside, read_class_names

MODEL = Path("m.onnx")

EXPECTED = "expected names of classes: one a line, JSON, YAML (data.yaml, metadata.yaml) or a label map (.pbtxt)."


def written(tmp_path, text, name="labels.txt"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("labels.txt", "cat\n  Größe \nhot dog\n\n"),
        ("labels.txt", "\ufeffcat\r\nGröße\r\nhot dog"),
        ("labels.json", '["cat", "Größe", "hot dog"]'),
        ("labels.txt", '\n["cat", "Größe", "hot dog"]'),
        ("labels.txt", "0: cat\n1: Größe\n2: hot dog\n"),
        ("labels.txt", "1: 'cat',\n2: Größe\n3: \"hot dog\""),
        ("labels.txt", "2 hot dog\n0 cat\n1 Größe"),
        ("labels.txt", "cat, Größe,hot dog\n"),
        ("labels.txt", "{0: 'cat', 1: 'Größe', 2: 'hot dog'}"),
        ("id2label.json", '{"id2label": {"0": "cat", "1": "Größe", "2": "hot dog"}}'),
        (
            "instances.json",
            '{"images": [], "categories": [{"id": 2, "name": "hot dog"}, {"id": 0, "name": "cat"}, '
            '{"id": 1, "name": "Größe"}]}',
        ),
        ("data.yaml", "train: images\nnc: 3\nnames: [cat, Größe, hot dog]\n"),
        ("metadata.yaml", "task: detect\nnames:\n  0: cat\n  2: hot dog\n  1: Größe\n"),
        (
            "map.pbtxt",
            'item {\n  name: "/m/01"  # a code\n  id: 1\n  display_name: "cat"\n}\n'
            "item { id: 3 name: 'hot dog' }\nitem { id: 2, name: \"Größe\" }",
        ),
    ],
)
def test_the_kinds_of_files(tmp_path, name, text):
    assert read_class_names(written(tmp_path, text, name)) == ("cat", "Größe", "hot dog")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "utf-32"])
def test_lists_with_a_byte_order_mark(tmp_path, encoding):
    (tmp_path / "a.txt").write_bytes("cat\r\nGröße\r\n".encode(encoding))
    assert read_class_names(tmp_path / "a.txt") == ("cat", "Größe")


def test_a_number_in_a_name_is_part_of_it(tmp_path):
    """Only numbers that count the lines are numbers of classes."""
    assert read_class_names(written(tmp_path, "1 euro\n2 euro\n5 euro")) == ("1 euro", "2 euro", "5 euro")
    assert read_class_names(written(tmp_path, "7: up\n9: down")) == ("7: up", "9: down")


def test_names_in_the_metadata_of_a_model():
    assert names_inside({"names": "{0: 'bolt', 1: \"gear's\"}"}, MODEL) == ("bolt", "gear's")
    assert names_inside({"names": '["bolt", "gear"]'}, MODEL) == ("bolt", "gear")
    assert names_inside({"labels": "bolt gear_wheel"}, MODEL) == ("bolt", "gear wheel")
    assert names_inside({"task": "detect"}, MODEL) == ()


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('x')",
        "{0: __import__('os')}",
        "[" * 100_000,
        "{0: " * 500,
        "{0: 'a', 9: 'b'}",
        "3",
        "x",
    ],
)
def test_metadata_that_is_no_names_is_refused(text):
    with pytest.raises(BuildError, match=r"^m.onnx: its metadata has no usable names .* Give --labels\.$"):
        names_inside({"names": text}, MODEL)


def test_a_number_that_a_label_map_leaves_out_is_a_class_all_the_same(tmp_path):
    path = written(tmp_path, "item { id: 1 name: 'cat' } item { id: 3 name: 'dog' }", "map.pbtxt")
    assert read_class_names(path) == ("cat", "unused 2", "dog")


@pytest.mark.parametrize(
    ("text", "name", "sentence"),
    [
        ("\n\n", "a.txt", "no names; expected one for each class of the network."),
        ("cat\n\ndog", "a.txt", "name 2 is ''; expected 1 to 256 characters, and no control characters. Correct it."),
        ("cat\ncat", "a.txt", "'cat' is there twice; expected each name once. CVAT refuses others."),
        (
            '["cat", "\\ud800"]',
            "a.json",
            "name 2 is '\\ud800'; expected 1 to 256 characters, and no control characters. Correct it.",
        ),
        ('["cat", 2.5]', "a.json", f"a list with other things than texts; {EXPECTED}"),
        ("[", "a.json", f"Expecting value: line 1 column 2 (char 1); {EXPECTED}"),
        ("item { name: 'cat' }", "a.pbtxt", f"an item without an id of its own; {EXPECTED}"),
        ("item { id: 1 } item { id: 1 }", "a.pbtxt", f"an item without an id of its own; {EXPECTED}"),
        ("cat\n" * 300_000, "a.txt", f"more than 1000000 bytes; {EXPECTED}"),
        ("item { id: 2000000 name: 'cat' }", "a.pbtxt", f"an id of more than 100000; {EXPECTED}"),
    ],
)
def test_what_is_wrong_is_one_sentence(tmp_path, text, name, sentence):
    path = written(tmp_path, text, name)
    with pytest.raises(BuildError, match=f"^{re.escape(f'{path}: {sentence}')}$"):
        read_class_names(path)


def test_no_such_file(tmp_path):
    with pytest.raises(BuildError, match=f"^{re.escape(str(tmp_path / 'none'))}: .* No such file or directory"):
        read_class_names(tmp_path / "none")
