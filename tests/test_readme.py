"""The README tells the truth: its commands exist, its files exist."""

import re
import shlex
from pathlib import Path

import pytest

from preannotate.cli.main import parser

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCKS = [block for page in PAGES for block in re.findall(r"```(?:bash|sh)\n(.*?)```", page.read_text(), re.DOTALL)]
LINES = [line for block in BLOCKS for line in block.replace("\\\n", " ").splitlines()]
COMMANDS = [line.split("#")[0].strip() for line in LINES if line.startswith("preannotate ")]


@pytest.mark.parametrize("command", COMMANDS)
def test_the_commands_of_the_documents_are_accepted(command):
    parser().parse_args(shlex.split(command)[1:])


def test_there_are_commands_to_check():
    used = {command.split()[1] for command in COMMANDS}

    assert {"train", "evaluate", "build", "check", "serve", "annotate"} <= used


def test_every_subcommand_is_in_the_readme():
    from preannotate.cli import main

    missing = [command.name for command in main.COMMANDS if f"preannotate {command.name}" not in README]
    assert missing == []


def test_the_lines_of_the_readme_are_short():
    assert [line for line in README.splitlines() if len(line) > 120] == []


def test_every_option_of_the_documents_exists():
    """Of the commands that are named in running text, as in `train --resume`."""
    from preannotate.cli import main

    known = {command.name: helped(command.name) for command in main.COMMANDS}
    named = re.findall(r"`(?:preannotate )?([a-z]+)(?: [^`\n]*?)? (--[a-z-]+)", "".join(map(Path.read_text, PAGES)))
    assert [(name, flag) for name, flag in named if name in known and flag not in known[name]] == []


def helped(name):
    subparsers = next(action for action in parser()._actions if action.dest == "command")
    return subparsers.choices[name].format_help()


def test_every_make_target_of_the_readme_exists():
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))

    assert {"demo", "test"} <= set(re.findall(r"make (\w+)", README)) <= targets


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_to_files_lead_somewhere(page):
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text(encoding="utf-8"))

    assert [link for link in links if not (page.parent / link).exists()] == []


def test_every_model_and_format_is_in_the_readme():
    from preannotate.formats import FORMATS
    from trainer.models import MODELS

    assert [name for name in MODELS if name not in README] == []
    assert [known.title for known in FORMATS.values() if known.title not in README] == []


def test_the_ci_runs_the_readmes_test_command():
    assert "make test" in (ROOT / ".ci" / "run").read_text()


def test_every_adapter_is_described():
    from builder.imports import adapters

    page = (ROOT / "docs" / "importing.md").read_text(encoding="utf-8")
    for name in adapters.names():
        assert re.search(rf"\| `{name}` \|.*\| {adapters.load(name).THRESHOLD:g} \|", page)
