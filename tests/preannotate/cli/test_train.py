"""The command line of the trainer: what cannot run says so in one sentence and exits with 2."""

import importlib.util
import logging
from pathlib import Path

import pytest
import yaml

from preannotate.cli.main import main, parser
from preannotate.cli.train import TERMINAL_LOGGERS, _ProgressBarHandler, training_request
from trainer.request import TrainingRequest


def errors(capsys, *arguments):
    assert main(["train", *map(str, arguments)]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    return printed.err


def test_nothing_to_train_on(capsys):
    assert errors(capsys) == (
        "error: train: no EXPORT; expected annotations to train on, or --resume RUN to continue.\n"
    )
    assert errors(capsys, "a.zip", "--resume", "run") == (
        "error: --resume: continues a run as it was started; expected neither EXPORT nor --trials.\n"
    )


def test_an_export_that_is_not_there(capsys, tmp_path):
    path = tmp_path / "a.zip"

    assert errors(capsys, path) == (
        f"error: {path}: no such file or folder; expected a zip or folder of annotations.\n"
    )


def test_arguments_are_checked_before_anything_else(capsys, tmp_path):
    assert errors(capsys, tmp_path, "--arguments", "batch_size=0") == (
        "error: arguments: batch_size=0; expected a whole number from 1 to 1024, or auto.\n"
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
        "error: --set: batch_size=0; expected a whole number from 1 to 1024, or auto.\n"
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
    assert all(importlib.util.find_spec(name) for name in TERMINAL_LOGGERS)


def test_a_line_is_written_to_stderr(capsys):
    _ProgressBarHandler().emit(
        logging.LogRecord("trainer.eta", logging.INFO, "eta.py", 1, "about %s", ("5 minutes",), None)
    )

    assert capsys.readouterr() == ("", "about 5 minutes\n")


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (
            "a.zip --trials 2",
            "--trials: no --output; expected a folder for all of them. The same command continues them.",
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


def test_a_request_survives_the_way_to_a_command_line_and_back():
    request = TrainingRequest(
        exports=(Path("a.zip"), Path("b.zip")),
        output=Path("runs/boards"),
        model="auto",
        base_model="none",
        overrides={"epochs": 3, "freeze": None, "jit": True, "initial_learning_rate": 1e-05, "early_stopping": None},
        include_auto=True,
        negatives=True,
        validation=(Path("c.zip"), Path("d.zip")),
        split_file=Path("held-out.txt"),
        images=Path("names.txt"),
        labels=("cat", "large dog"),
        continue_run=True,
    )

    for original in (request, TrainingRequest(exports=(Path("a.zip"),))):
        assert training_request(parser().parse_args(["train", *original.to_argv()])) == original


def test_the_sources_of_arguments_become_one_set_of_values(tmp_path):
    (tmp_path / "boards.yaml").write_text("epochs: 40\nseed: 1\n")
    line = ["train", "a.zip", "--config", str(tmp_path / "boards.yaml"), "--arguments", "seed=2", "--set", "freeze=0"]

    assert training_request(parser().parse_args(line)).overrides == {"epochs": 40, "seed": 2, "freeze": 0}
