"""Colours with enough contrast, and nothing from other servers."""

import re

import pytest

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
