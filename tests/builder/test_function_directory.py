"""functions/NAME and functions/NAME/nuclio are the same thing."""

import re

import pytest

from builder.errors import BuildError
from builder.function_directory import find_function_directory, function_directory


def test_function_and_its_nuclio_folder_are_the_same_thing(function_dir):
    for path in (function_dir.parent, function_dir):
        assert function_directory(path) == function_dir
        assert find_function_directory(path) == function_dir


@pytest.mark.parametrize("left", ["main.py", "function.yaml"])
def test_a_damaged_one_is_found_all_the_same(function_dir, left):
    for name in {"main.py", "function.yaml"} - {left}:
        (function_dir / name).unlink()

    assert function_directory(function_dir.parent) == function_dir


def test_what_is_none(tmp_path):
    sentence = f"{tmp_path}: no function directory; expected functions/NAME, as `preannotate build` makes them."

    assert function_directory(tmp_path) is None
    with pytest.raises(BuildError, match=f"^{re.escape(sentence)}$"):
        find_function_directory(tmp_path)
