"""docs/troubleshooting.md quotes what doctor says, and explains every error about Docker, nuclio and CVAT."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
DIAGNOSTICS = ROOT / "preannotate" / "diagnostics"
SOURCES = [
    *sorted(DIAGNOSTICS.glob("*.py")),
    ROOT / "builder" / "static_check.py",
    ROOT / "preannotate" / "serving" / "function_config.py",
    ROOT / "preannotate" / "cvat" / "functions.py",
]
# Their errors need more words than fit into a finding; those of the other modules are about this machine.
EXPLAINED = ("containers", "cvat", "dashboard", "deployed", "survey")
PAGE = (ROOT / "docs" / "troubleshooting.md").read_text("utf-8")
TABLES = [block for block in PAGE.split("\n\n") if "| what doctor says |" in block]
ROWS = [line for block in TABLES for line in block.splitlines()[2:]]
QUOTES = sorted({quote for row in ROWS for quote in re.findall(r"`([^`]+)`", row.split("|")[2])})


def template(node: ast.AST) -> str | None:
    """The fixed text of a string, with an ellipsis for each value; None of anything else."""
    if isinstance(node, ast.JoinedStr):
        return "".join(part.value if isinstance(part, ast.Constant) else "…" for part in node.values)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def templates() -> set[str]:
    nodes = [node for path in SOURCES for node in ast.walk(ast.parse(path.read_text("utf-8")))]
    return {text for node in nodes if (text := template(node))}


def explained_errors() -> Iterator[tuple[str, str]]:
    """Module and text of each error that has a text of its own."""
    for module in EXPLAINED:
        for node in ast.walk(ast.parse((DIAGNOSTICS / f"{module}.py").read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "error":
                text = template(node.args[1])
                if text and re.search(r"[a-z]{3}", text):
                    yield module, text


@pytest.mark.parametrize("quote", QUOTES)
def test_doctor_says_what_the_page_quotes(quote):
    """All of the quote is fixed text; the page writes an ellipsis for values."""
    assert [text for text in templates() if quote in text]


@pytest.mark.parametrize(("module", "text"), explained_errors())
def test_the_page_explains_each_error(module, text):
    assert [quote for quote in QUOTES if quote in text]
