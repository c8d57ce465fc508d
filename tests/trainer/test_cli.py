"""The command line of the trainer: what cannot run says so in one sentence and exits with 2."""

import importlib.util
import logging

import pytest

from trainer.cli import SPOKEN, _AboveTheBar, main


def errors(capsys, *arguments):
    assert main(["train", *map(str, arguments)]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    return printed.err


def test_nothing_to_train_on(capsys):
    sentence = "error: train: expected either an EXPORT to start from or --resume RUN to continue.\n"

    assert errors(capsys) == sentence
    assert errors(capsys, "a.zip", "--resume", "run") == sentence


def test_an_export_that_is_not_there(capsys, tmp_path):
    path = tmp_path / "a.zip"

    assert errors(capsys, path) == (
        f"error: {path}: no such file or folder; expected a zip or folder of annotations.\n"
    )


def test_arguments_are_checked_before_anything_else(capsys, tmp_path):
    assert errors(capsys, tmp_path, "--arguments", "batch_size=0") == (
        "error: arguments: batch_size=0; expected a whole number from 1 to 1024.\n"
    )


def test_a_list_of_images_that_cannot_be_read(capsys, tmp_path):
    path = tmp_path / "names.txt"

    assert errors(capsys, tmp_path, "--images", path) == (
        f"error: {path}: [Errno 2] No such file or directory: '{path}'; "
        "expected a text file of image names, one a line.\n"
    )


@pytest.mark.slow
def test_an_empty_folder_is_no_export(capsys, tmp_path):
    (tmp_path / "export").mkdir()
    said = errors(capsys, tmp_path / "export", "--base-model", "none", "--output", tmp_path / "run")

    assert said.startswith(
        "error: export: no known annotation format (found nothing); expected one of: CVAT for images"
    )
    assert said.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_settings_overrule_arguments_and_a_file(capsys, tmp_path):
    path = tmp_path / "boards.yaml"
    path.write_text("batch_size: 8\n")

    assert errors(capsys, tmp_path, "--config", path, "--arguments", "seed=1", "--set", "batch_size=0") == (
        "error: --set: batch_size=0; expected a whole number from 1 to 1024.\n"
    )


@pytest.mark.parametrize("command", ["arguments", "models"])
def test_the_tables_are_printed(capsys, command):
    assert main([command]) == 0
    words = capsys.readouterr().out
    assert main([command, "--markdown"]) == 0
    markdown = capsys.readouterr().out

    assert "ssd-mobilenet-v2 " in words
    assert "| `ssd-mobilenet-v2` |" in markdown


def test_what_is_shown_on_the_terminal_comes_from_modules_that_are_there():
    """A module that is renamed would fall silent."""
    assert all(importlib.util.find_spec(name) for name in SPOKEN)


def test_a_line_is_written_to_stderr(capsys):
    _AboveTheBar().emit(logging.LogRecord("trainer.pace", logging.INFO, "pace.py", 1, "about %s", ("5 minutes",), None))

    assert capsys.readouterr() == ("", "about 5 minutes\n")
