"""Values that are not what they should be, and JSON that would take for ever."""

import pytest

from preannotate.formats import parsing
from preannotate.formats.records import DatasetError, EntryError


def write(path, text):
    path.write_text(text, "utf-8")
    return path


def test_one_odd_number_does_not_spoil_a_json_file(tmp_path):
    path = write(tmp_path / "a.json", f'{{"a": {"9" * 10_000}, "b": 1e999, "c": -7, "d": {"1" * 19}}}')
    value = parsing.read_json(path)

    assert value == {"a": float("inf"), "b": float("inf"), "c": -7, "d": int("1" * 19)}


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, "[" * 900 + "]" * 900 + "]", "", "nul", "[1,]"])
def test_json_that_cannot_be_read_is_named(tmp_path, text):
    with pytest.raises(DatasetError, match=r"^a\.json: .*; expected JSON\. Export again\.$"):
        parsing.read_json(write(tmp_path / "a.json", text))


def test_json_is_bounded_by_its_lists_and_texts_by_their_size(tmp_path, monkeypatch):
    monkeypatch.setattr(parsing, "MAX_JSON_LISTS", 10)
    assert parsing.read_json(write(tmp_path / "a.json", "[" + "[]," * 8 + "[]]")) == [[]] * 9
    with pytest.raises(DatasetError, match=r"a\.json: more than 10 lists and objects"):
        parsing.read_json(write(tmp_path / "a.json", "[" + "[]," * 10 + "[]]"))
    with pytest.raises(DatasetError, match=r"a\.txt: more than 5 bytes"):
        parsing.read_text(write(tmp_path / "a.txt", "123456"), max_bytes=5)


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "1e10", 10**400, "x", "", None, True, [], "1e999", "9" * 5000])
def test_numbers_are_finite_and_of_this_world(value):
    with pytest.raises(EntryError, match="with coordinates that are no numbers"):
        parsing.number(value)
    assert parsing.whole_number(value) is None


def test_numbers_are_taken_from_text(monkeypatch):
    assert [parsing.number(value) for value in ("1.5", " -2 ", 3, 1e9)] == [1.5, -2, 3, 1e9]
    assert [parsing.whole_number(value) for value in ("7", 7.0, 7.5, "007")] == [7, 7, None, 7]
