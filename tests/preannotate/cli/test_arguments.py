"""Types of arguments that several commands share."""

import argparse
import re

import pytest

from preannotate.cli.arguments import fraction


@pytest.mark.parametrize(("text", "number"), [("0", 0.0), ("0.25", 0.25), ("1", 1.0), ("1e-3", 0.001)])
def test_a_fraction(text, number):
    assert fraction(text) == number


@pytest.mark.parametrize("text", ["-0.01", "1.01", "nan", "inf", "half", ""])
def test_a_number_outside_zero_and_one_is_refused(text):
    with pytest.raises(
        argparse.ArgumentTypeError, match=f"^{re.escape(repr(text))}; expected a number from 0 to 1\\.$"
    ):
        fraction(text)
