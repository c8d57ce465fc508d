"""Times, durations and counts as pages show them."""

import datetime

import pytest

from preannotate.studio.web import rendering

NOW = datetime.datetime(2026, 11, 27, 12, 0, tzinfo=datetime.UTC)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("2026-11-27T09:05:00+00:00", "09:05"),
        ("2026-11-27T09:05:00Z", "09:05"),
        ("2026-11-02T09:05:00+02:00", "2 November 07:05"),
        ("2025-11-02T09:05:00+00:00", "2 November 2025"),
        ("", ""),
        ("soon", ""),
    ],
)
def test_a_moment(text, said):
    assert rendering.moment(text, NOW) == said


def test_numbers_and_sentences():
    assert rendering.count(1, "box", "boxes") == "1 box"
    assert rendering.count(1204, "box", "boxes") == "1\N{NARROW NO-BREAK SPACE}204 boxes"
    assert rendering.score(None) == "\N{EN DASH}"
    assert rendering.sentence("ends `epochs` early") == "Ends epochs early."
