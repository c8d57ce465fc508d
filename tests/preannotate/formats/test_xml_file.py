"""Files that would take for ever are refused by what they hold, not by a clock."""

import pytest

from preannotate.formats import xml_file
from preannotate.formats.records import DatasetError

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


@pytest.mark.parametrize("read", [xml_file.read_xml, lambda path: list(xml_file.xml_elements(path))])
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
    monkeypatch.setattr(xml_file, "MAX_ELEMENTS", 10)
    monkeypatch.setattr(xml_file, "MAX_PIECE", 1 << 16)
    monkeypatch.setattr(xml_file, "MAX_BYTES", 1 << 20)
    many = write(tmp_path / "a.xml", "<r>" + ("<i>" + "<b/>" * 5 + "</i>") * 20 + "</r>")
    crowded = write(tmp_path / "b.xml", "<r><i>" + "<b/>" * 20 + "</i></r>")
    endless = write(tmp_path / "c.xml", f'<r><i a="{"x" * (4 << 20)}"/></r>')

    assert len(list(xml_file.xml_elements(many))) == 20
    with pytest.raises(DatasetError, match="more than 10 elements in one"):
        list(xml_file.xml_elements(crowded))
    with pytest.raises(DatasetError, match="more than 10 elements"):
        xml_file.read_xml(crowded)
    with pytest.raises(DatasetError, match=r"no element in \d+ bytes"):
        list(xml_file.xml_elements(endless))
    with pytest.raises(DatasetError, match="bytes, more than 1048576"):
        xml_file.read_xml(endless)


def test_the_root_is_found_without_reading_the_rest(tmp_path):
    assert xml_file.xml_root_tag(write(tmp_path / "a.xml", "<a><b></a>")) == "a"
    assert xml_file.xml_root_tag(write(tmp_path / "b.xml", "no")) == ""
    assert xml_file.xml_root_tag(write(tmp_path / "c.xml", BOMB)) == ""
