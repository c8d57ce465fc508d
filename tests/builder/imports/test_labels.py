import re

import pytest

from builder.errors import BuildError
from builder.imports.source import read_class_names

EXPECTED = "expected names of classes, one a line, or a JSON list, or a label map (.pbtxt)."


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
        (
            "map.pbtxt",
            'item {\n  name: "/m/01"  # a code\n  id: 1\n  display_name: "cat"\n}\n'
            "item { id: 3 name: 'hot dog' }\nitem { id: 2, name: \"Größe\" }",
        ),
    ],
)
def test_the_three_kinds_of_files(tmp_path, name, text):
    assert read_class_names(written(tmp_path, text, name)) == ("cat", "Größe", "hot dog")


def test_a_number_that_a_label_map_leaves_out_is_a_class_all_the_same(tmp_path):
    path = written(tmp_path, "item { id: 1 name: 'cat' } item { id: 3 name: 'dog' }", "map.pbtxt")
    assert read_class_names(path) == ("cat", "unused 2", "dog")


@pytest.mark.parametrize(
    ("text", "name", "sentence"),
    [
        ("\n\n", "a.txt", "no names; expected one for each class of the network."),
        ("cat\n\ndog", "a.txt", "name 2 is ''; expected whole Unicode letters. Correct it."),
        ("cat\ncat", "a.txt", "'cat' is there twice; expected each name once. CVAT refuses others."),
        ('["cat", "\\ud800"]', "a.json", "name 2 is '\\ud800'; expected whole Unicode letters. Correct it."),
        ('["cat", 2]', "a.json", f"a JSON list with other things than texts; {EXPECTED}"),
        ("[", "a.json", f"Expecting value: line 1 column 2 (char 1); {EXPECTED}"),
        ("item { name: 'cat' }", "a.pbtxt", f"an item without an id of its own; {EXPECTED}"),
        ("item { id: 1 } item { id: 1 }", "a.pbtxt", f"an item without an id of its own; {EXPECTED}"),
        ("cat\n" * 300_000, "a.txt", f"more than a million bytes; {EXPECTED}"),
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
