"""No cell becomes a formula."""

import csv

import pytest

from preannotate.core.files import write_csv


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", " =1", "\r=1", "\uff1d1"])
def test_what_begins_like_a_formula_is_text(text, tmp_path):
    assert _written(tmp_path / "a.csv", text) == f"'{text}"


@pytest.mark.parametrize("value", [-1.5, 3, "a=b", "", "1-2"])
def test_the_rest_stays(value, tmp_path):
    assert _written(tmp_path / "a.csv", value) == str(value)


def test_a_file_is_written_whole(tmp_path):
    path = tmp_path / "new" / "a.csv"
    write_csv(path, ("a", "b"), [["=x", 1], ['two\nlines, "quoted"', None]])

    assert path.read_bytes().startswith(b"\xef\xbb\xbf")
    assert list(csv.reader(path.open(encoding="utf-8-sig", newline=""))) == [
        ["a", "b"],
        ["'=x", "1"],
        ['two\nlines, "quoted"', ""],
    ]


def _written(path, value):
    write_csv(path, ("a",), [[value]])
    rows = list(csv.reader(path.open(encoding="utf-8-sig", newline="")))
    return rows[1][0]
