import pytest

from preannotate.core.text import (
    Table,
    first_of,
    format_duration,
    format_scores,
    join_list,
    parse_duration,
    printable,
    split_list,
)

TABLE = Table(
    ("name", "is", "why"), [("a_long_name", "1", "`code` and words that need a second line here"), ("b", "22", "")]
)


def test_markdown_shows_the_first_column_as_code():
    assert TABLE.markdown() == (
        "| name | is | why |\n|---|---|---|\n"
        "| `a_long_name` | 1 | `code` and words that need a second line here |\n| `b` | 22 |  |"
    )


def test_a_terminal_gets_columns_and_wrapped_sentences():
    assert TABLE.plain(50) == (
        "name         is  why\n"
        "a_long_name  1   code and words that need a second\n"
        "                 line here\n"
        "b            22"
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [("50s", 50), ("1m30s", 90), ("500ms", 0.5), ("1.5h", 5400), (".5s", 0.5), ("120s", 120)],
)
def test_durations_as_go_writes_them(text, expected):
    assert parse_duration(text) == pytest.approx(expected)


@pytest.mark.parametrize("text", ["", "50", "s", "50 s", "-5s", "0s", "5sec", "9" * 400 + "s", "\u0665s"])
def test_other_texts_are_none(text):
    assert parse_duration(text) is None


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.2, "0 s"),
        (9, "9 s"),
        (640, "11 min"),
        (3599, "60 min"),
        (7500, "2 h 5 min"),
        (9000, "2 h 30 min"),
        (200_000, "2 days"),
    ],
)
def test_a_duration(seconds, text):
    assert format_duration(seconds) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Größe 5 é", "Größe 5 é"),
        ("a\nb\r\t", "a\\nb\\r\\t"),
        ("\x1b[31mred\x7f\x9b", "\\x1b[31mred\\x7f\\x9b"),
        ("abc\u202egpj.exe", "abc\\u202egpj.exe"),
        ("a\u2028b\ud800", "a\\u2028b\\ud800"),
        ("\u0645\u06cc\u200c\u062e", "\u0645\u06cc\u200c\u062e"),
        ("x" * 400, "x" * 299 + "…"),
    ],
)
def test_texts_of_strangers_are_shown_in_one_line_without_hidden_letters(text, shown):
    assert printable(text) == shown
    assert first_of([text]) == shown


@pytest.mark.parametrize("items", [["bolt"], ["nut, small", "bolt"], ['12" rim', "a,b"], ["Schraube", "螺栓"]])
def test_a_list_as_text_gives_the_same_items_back(items):
    assert split_list(join_list(items)) == items


def test_items_of_a_list_have_no_spaces_around_them_and_are_not_empty():
    assert split_list(' bolt , "nut, small",, gear') == ["bolt", "nut, small", "gear"]


def test_an_open_quotation_mark_in_a_list_is_refused():
    with pytest.raises(ValueError, match="unexpected end of data"):
        split_list('"nut, small')


def test_both_scores_are_shown():
    assert format_scores(0.9174, 0.6) == "mAP50 0.917, mAP 0.600"
    assert format_scores(1, 0, 4) == "mAP50 1.0000, mAP 0.0000"
    assert format_scores(None, -1) == "mAP50 not measured, mAP not measured"
