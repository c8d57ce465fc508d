"""Colours with enough contrast, curves at the right places, words as people say them."""

import datetime
import re

import pytest

from preannotate.studio.web import template_filters
from preannotate.studio.web.charts import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, charts, sparkline
from preannotate.studio.web.rendering import STATIC

SHEET = (STATIC / "studio.css").read_text()
TEXT, SHAPE = 4.5, 3.0  # WCAG 2.2, 1.4.3 and 1.4.11
# (what is seen, on what, at least)
PAIRS = [
    *(("ink", ground, TEXT) for ground in ("ground", "surface", "sunken", "accent-soft")),
    *(("ink", ground, TEXT) for ground in ("good-soft", "warn-soft", "bad-soft")),
    *(("soft", ground, TEXT) for ground in ("ground", "surface", "sunken")),
    *(("accent", ground, TEXT) for ground in ("ground", "surface", "accent-soft")),
    *(("bad", ground, TEXT) for ground in ("ground", "surface", "bad-soft")),
    ("accent-strong", "accent-soft", TEXT), ("accent-strong", "surface", TEXT), ("accent-ink", "accent", TEXT),
    ("accent-ink", "accent-strong", TEXT), ("good", "good-soft", TEXT), ("good", "surface", TEXT),
    ("surface", "bad", TEXT), ("log-ink", "log", TEXT), ("warn", "warn-soft", SHAPE), ("second", "surface", SHAPE),
    ("edge", "surface", SHAPE), ("edge", "ground", SHAPE), ("accent", "sunken", SHAPE),
]  # fmt: skip


def colours(scheme):
    blocks = re.findall(r":root \{(.*?)\}", SHEET, re.DOTALL)
    light, dark = (dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block)) for block in blocks)
    return light if scheme == "light" else light | dark


def luminance(colour):
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("front", "back", "least"), PAIRS)
def test_colours_can_be_told_apart(scheme, front, back, least):
    found = colours(scheme)

    assert contrast(found[front], found[back]) >= least


def test_contrast_is_computed_as_the_standard_says():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


def test_the_sheet_asks_nobody_else():
    assert "url(" not in SHEET
    assert "@import" not in SHEET
    assert "prefers-reduced-motion" in SHEET
    assert ":focus-visible" in SHEET


# Curves


def test_a_curve_begins_at_the_left_and_ends_where_it_is():
    curve = [{"epoch": 1, "loss": 2.0, "map50": 0.0}, {"epoch": 2, "loss": 1.0, "map50": 1.0}]
    loss, accuracy = charts(curve, 3)
    middle, right = LEFT + (WIDTH - LEFT - RIGHT) / 2, WIDTH - RIGHT

    assert loss.lines[0].points == f"{LEFT:.1f},{TOP:.1f} {middle:.1f},{TOP + (HEIGHT - TOP - BOTTOM) / 2:.1f}"
    assert accuracy.lines[0].points == f"{LEFT:.1f},{HEIGHT - BOTTOM:.1f} {middle:.1f},{TOP:.1f}"
    assert [tick.text for tick in loss.along] == ["1", "2", "3"]
    assert loss.along[-1].at == right
    assert [tick.text for tick in loss.across] == ["0", "0.5", "1", "1.5", "2"]
    assert accuracy.summary == "Accuracy on validation images over 2 of 3 epochs; latest: mAP50 1.000."


def test_what_is_not_known_is_left_out():
    assert charts([], 10) == []
    assert charts([{"epoch": 1, "loss": None, "map50": None}], 10) == []
    assert charts([{"epoch": 1, "loss": float("nan"), "map50": 0.5}], 10)[0].title == "Accuracy on validation images"


def test_a_long_training_does_not_make_a_heavy_page():
    curve = [{"epoch": n, "loss": 1 / n, "map50": None} for n in range(1, 5001)]
    (loss,) = charts(curve, 5000)

    assert len(loss.lines[0].points.split()) < 300
    assert loss.lines[0].end[0] == WIDTH - RIGHT


def test_one_epoch_is_a_curve_too():
    assert charts([{"epoch": 1, "loss": 0.0, "map50": 0.1}], 1)[0].lines[0].last == "0.000"


def test_a_sparkline_rises_with_the_scores():
    first, last = (float(pair.split(",")[1]) for pair in sparkline([0.5, 0.9]).split())

    assert first > last
    assert sparkline([]) == ""


# Words

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
    assert template_filters.moment(text, NOW) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (None, ""),
        (0.2, "1 s"),
        (40, "40 s"),
        (58, "1 min"),
        (640, "11 min"),
        (3540, "59 min"),
        (3599, "1 h 0 min"),
        (9000, "2 h 30 min"),
        (200_000, "2 days"),
    ],
)
def test_a_duration(seconds, said):
    assert template_filters.duration(seconds) == said


def test_numbers_and_sentences():
    assert template_filters.count(1, "box", "boxes") == "1 box"
    assert template_filters.count(1204, "box", "boxes") == "1\N{NARROW NO-BREAK SPACE}204 boxes"
    assert template_filters.score(None) == "\N{EN DASH}"
    assert template_filters.sentence("ends `epochs` early") == "Ends epochs early."
