import pytest

from preannotate.core.durations import seconds


@pytest.mark.parametrize(
    ("text", "expected"),
    [("50s", 50), ("1m30s", 90), ("500ms", 0.5), ("1.5h", 5400), (".5s", 0.5), ("120s", 120)],
)
def test_durations_as_go_writes_them(text, expected):
    assert seconds(text) == pytest.approx(expected)


@pytest.mark.parametrize("text", ["", "50", "s", "50 s", "-5s", "0s", "5sec", "9" * 400 + "s", "\u0665s"])
def test_other_texts_are_none(text):
    assert seconds(text) is None
