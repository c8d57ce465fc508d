"""Files that would take for ever are refused by what they hold, not by a clock."""

import pytest

from preannotate.formats import parsing
from preannotate.formats.records import DatasetError, EntryError

# 3,000 attributes with default values for each of 30,000 elements: 90 million values in 300 KB.
DEFAULTS = (
    "<!DOCTYPE a [<!ATTLIST b "
    + " ".join(f'a{n} CDATA "{n}"' for n in range(3000))
    + "]><annotations>"
    + "<b/>" * 30_000
    + "</annotations>"
)
BOMB = '<!DOCTYPE a [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><annotations>&b;</annotations>'


def write(path, text):
    path.write_text(text, "utf-8")
    return path


@pytest.mark.parametrize("read", [parsing.read_xml, lambda path: list(parsing.xml_elements(path))])
@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (DEFAULTS, "a declaration of a document type, which is not read"),
        (BOMB, "a declaration of a document type, which is not read"),
        ("<a>" * 60 + "</a>" * 60, "more than 50 elements inside one another"),
        ("<a>" * 50_000, "more than 50 elements inside one another"),
        ("<a>&e;</a>", "undefined entity"),
        ("<a/><b/>", "junk after document element"),
        ('<?xml version="1.0" encoding="no-such"?><a/>', "unknown encoding"),
    ],
)
def test_xml_that_could_take_for_ever_is_refused(tmp_path, read, text, problem):
    with pytest.raises(DatasetError, match=rf"^a\.xml: .*{problem}.*; expected XML\. Export again\.$"):
        read(write(tmp_path / "a.xml", text))


def test_xml_is_bounded_by_its_pieces(tmp_path, monkeypatch):
    monkeypatch.setattr(parsing, "MAX_XML_ELEMENTS", 10)
    monkeypatch.setattr(parsing, "MAX_XML_PIECE", 1 << 16)
    monkeypatch.setattr(parsing, "MAX_XML_BYTES", 1 << 20)
    many = write(tmp_path / "a.xml", "<r>" + ("<i>" + "<b/>" * 5 + "</i>") * 20 + "</r>")
    crowded = write(tmp_path / "b.xml", "<r><i>" + "<b/>" * 20 + "</i></r>")
    endless = write(tmp_path / "c.xml", f'<r><i a="{"x" * (4 << 20)}"/></r>')

    assert len(list(parsing.xml_elements(many))) == 20
    with pytest.raises(DatasetError, match="more than 10 elements in one"):
        list(parsing.xml_elements(crowded))
    with pytest.raises(DatasetError, match=r"no element in \d+ bytes"):
        list(parsing.xml_elements(endless))
    with pytest.raises(DatasetError, match="bytes, more than 1048576"):
        parsing.read_xml(endless)


def test_the_root_is_found_without_reading_the_rest(tmp_path):
    assert parsing.xml_root_tag(write(tmp_path / "a.xml", "<a><b></a>")) == "a"
    assert parsing.xml_root_tag(write(tmp_path / "b.xml", "no")) == ""
    assert parsing.xml_root_tag(write(tmp_path / "c.xml", BOMB)) == ""


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
