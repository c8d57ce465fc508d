"""The command line of the trainer: what cannot run says so in one sentence and exits with 2."""

import argparse
import importlib.util
import logging

import pytest
import yaml
from trainer.to_argv import retell

from preannotate.cli.main import main
from preannotate.cli.train import SPOKEN, _AboveTheBar, add_train_arguments


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
    _AboveTheBar().emit(logging.LogRecord("trainer.eta", logging.INFO, "pace.py", 1, "about %s", ("5 minutes",), None))

    assert capsys.readouterr() == ("", "about 5 minutes\n")


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (
            "a.zip --trials 2",
            "--trials: no --output; expected a folder for all of them. Given again, it continues them.",
        ),
        ("a.zip --trials 2 --output runs/a --trial 2", "--trial: 2; expected a number from 0 to 1."),
        ("a.zip --trial 1", "train: --trial or --vary without --trials; expected the number of trials."),
        ("a.zip --continue", "--continue: no --output; expected the folder of the run."),
    ],
)
def test_half_said_trials_are_refused(line, sentence, capsys):
    assert errors(capsys, *line.split()) == f"error: {sentence}\n"


def test_manifests_are_printed_and_nothing_is_trained(capsys):
    line = "train export.zip --output runs/boards --kubernetes image=a/b:1,claim=annotations"

    assert main(line.split()) == 0
    assert yaml.safe_load(capsys.readouterr().out)["kind"] == "Job"


def test_arguments_are_said_again_as_they_were():
    parser = argparse.ArgumentParser()
    add_train_arguments(parser)
    line = "a.zip b.zip --arguments seed=1 --include-auto --set epochs=3 --set freeze=0 --validation c.zip d.zip"
    said = retell(parser, parser.parse_args(line.split()), without={"json"})

    assert parser.parse_args(said) == parser.parse_args(line.split())
