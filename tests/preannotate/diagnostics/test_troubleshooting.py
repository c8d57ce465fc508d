"""docs/troubleshooting.md quotes what doctor says."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SOURCES = [
    *sorted((ROOT / "preannotate" / "diagnostics").glob("*.py")),
    ROOT / "builder" / "static_check.py",
    ROOT / "preannotate" / "serving" / "metadata.py",
]
# Enough of a sentence to know it by.
_LENGTH = 14
ROWS = re.findall(
    r"^\|[^|]*\|([^|]*)\|[^|]*\|$", (ROOT / "docs" / "troubleshooting.md").read_text("utf-8"), re.MULTILINE
)
QUOTES = sorted({quote for cell in ROWS for quote in re.findall(r"`([^`]+)`", cell)})


@pytest.fixture(scope="module")
def words():
    """All texts in the sources, which Python joins where a long one is written in pieces."""
    trees = [ast.parse(path.read_text("utf-8")) for path in SOURCES]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    return "\n".join(node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str))


@pytest.mark.parametrize("quote", QUOTES)
def test_doctor_says_what_the_page_quotes(quote, words):
    """But for what stands for a value there: numbers, texts in quotes, names before a colon."""
    pieces = re.split(r"'[^']*'|\d[\w.]*|…|^[\w ]+: ", quote)
    longest = max((piece.strip(" :;,.()") for piece in pieces), key=len)

    assert longest[:_LENGTH] in words


def test_there_is_something_to_compare():
    assert len(QUOTES) > 20
