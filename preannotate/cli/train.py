"""`preannotate train`, `arguments` and `models`."""

import argparse
import datetime
import functools
import json
import logging
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from preannotate.cli.arguments import add_images_file, add_json, add_negatives, add_notify
from preannotate.cli.command import Command
from preannotate.core.text import Table
from trainer.library_logging import quiet_loading
from trainer.to_argv import retell

INTERRUPTED = 130
# Loggers whose information is shown on the terminal as well.
SPOKEN = ("trainer.train", "trainer.preparation", "trainer.eta")


def add_train_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of a training, on this machine or in a pod."""
    add = parser.add_argument
    add("exports", metavar="EXPORT", type=Path, nargs="*", help="zip file or folder of annotations in one of CVAT's "
        "formats")  # fmt: skip
    add("--model", default="ssd-mobilenet-v2", metavar="M", help="`preannotate models` lists them; auto: chosen by the "
        "images (default: ssd-mobilenet-v2)")  # fmt: skip
    add("--arguments", default="", metavar="A=1,B=2", help="settings such as epochs=40,batch_size=16; "
        "`preannotate arguments` lists them")  # fmt: skip
    add("--set", action="append", default=[], metavar="A=1", help="one setting; overrides --arguments; can be given "
        "several times")  # fmt: skip
    add("--config", type=Path, metavar="FILE", help="YAML file of settings, one per line; --arguments overrides it")
    add("--base-model", default="imagenet", metavar="M", help="initial weights: imagenet (default), none, a file of "
        "weights or the folder of a run")  # fmt: skip
    add("--output", type=Path, metavar="RUN", help="folder of the run (default: runs/ and the time)")
    add("--resume", type=Path, metavar="RUN", help="continue an interrupted run; needs no EXPORT")
    add("--continue", dest="continue_", action="store_true", help="continue the run in --output if there is one, else "
        "start it; for jobs that are restarted")  # fmt: skip
    add("--trials", type=int, metavar="N", help="run N trainings with different seeds in --output, and name the best")
    add("--vary", default="", metavar="A=1|2,B=…", help="settings that trials differ by, in all combinations")
    add("--parallel", type=int, default=1, metavar="P", help="trials at a time on this machine (default: 1)")
    add("--trial", type=int, metavar="I", help="run only this one of --trials, counted from 0; for job arrays")
    add("--pick", type=Path, metavar="RUNS", help="name the best of the finished trials in RUNS")
    add("--kubernetes", metavar="A=1,B=2", help="print Kubernetes manifests of this training and end; such as "
        "image=REGISTRY/IMAGE,claim=NAME,workers=2,gpus=1")  # fmt: skip
    add("--include-auto", action="store_true", help="also use automatic annotations that nobody changed")
    add_negatives(parser)
    add("--validation", type=Path, nargs="+", default=[], metavar="EXPORT", help="annotations to validate on (default: "
        "a part of EXPORT)")  # fmt: skip
    add("--split-file", type=Path, metavar="FILE", help="file with the names of the validation images")
    add_images_file(parser)
    add("--labels", metavar="A,B", help="learn only these labels (default: all labels of the export)")
    add_json(parser)


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_train_arguments(parser)
    add_notify(parser)


def _run(arguments: argparse.Namespace) -> int:
    from preannotate.notifications.training import run

    return run(run_train, arguments)


def run_train(arguments: argparse.Namespace) -> int:
    """Train or resume; returns the exit code."""
    _log_to_stderr()
    from preannotate.core.errors import PreannotateError

    try:
        print(_answer(arguments))
    except PreannotateError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print(f"stopped; {_remedy(arguments)}", file=sys.stderr)
        return INTERRUPTED
    return 0


def _add_markdown(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--markdown", action="store_true", help="print Markdown, as in docs/training.md")


def _run_arguments(arguments: argparse.Namespace) -> int:
    with quiet_loading():
        from trainer.arguments.listing import tables
        from trainer.models import MODELS

    _print_tables(tables(MODELS), markdown=arguments.markdown)
    return 0


def _run_models(arguments: argparse.Namespace) -> int:
    with quiet_loading():
        from trainer.models import MODELS
        from trainer.models.listing import tables

    _print_tables(tables(MODELS), markdown=arguments.markdown)
    return 0


def _print_tables(tables: Mapping[str, Table], *, markdown: bool) -> None:
    width = shutil.get_terminal_size((120, 24)).columns
    print(
        "\n\n".join(
            f"{head}:\n\n{table.markdown() if markdown else table.plain(width)}" for head, table in tables.items()
        )
    )


def _answer(arguments: argparse.Namespace) -> str:
    """Do what is asked, and say what came of it."""
    from trainer import trials
    from trainer.errors import TrainingError

    if arguments.pick:
        return _told(trials.pick_best(arguments.pick), arguments, functools.partial(trials.describe, arguments.pick))
    if arguments.kubernetes is not None:
        from trainer import kubernetes

        return kubernetes.render(_parser(), arguments).rstrip()
    if arguments.trials is not None:
        return _trials(arguments)
    if arguments.trial is not None or arguments.vary:
        raise TrainingError("train: --trial or --vary without --trials; expected the number of trials.")
    return _told(_train(arguments, {}), arguments, _words)


def _trials(arguments: argparse.Namespace) -> str:
    """All trials, or the one that a scheduler asks for."""
    from trainer import trials
    from trainer.arguments import read_arguments
    from trainer.errors import TrainingError

    folder = arguments.output
    if folder is None or arguments.resume:
        raise TrainingError("--trials: no --output; expected a folder for all of them. Given again, it continues them.")
    asked = read_arguments(arguments.config, arguments.arguments, arguments.set)
    planned = trials.plan_trials(arguments.trials, arguments.vary, asked.get("seed", 0))
    if arguments.trial is None:
        command = retell(_parser(), arguments, without={"parallel", "json", "command", "execute"})
        outcome = trials.run_all(planned, command, folder, parallel=arguments.parallel)
        return _told(outcome, arguments, functools.partial(trials.describe, folder))
    if not 0 <= arguments.trial < len(planned):
        raise TrainingError(f"--trial: {arguments.trial}; expected a number from 0 to {len(planned) - 1}.")
    trial = planned[arguments.trial]
    arguments.output, arguments.continue_ = folder / trial.name, True
    summary = _train(arguments, trial.asked)
    if trials.all_done(folder, planned):
        trials.pick_best(folder)
    return _told(summary, arguments, _words)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser()
    add_train_arguments(parser)
    return parser


def _remedy(arguments: argparse.Namespace) -> str:
    """How to go on with what was interrupted."""
    if arguments.trials:
        return "the same command goes on with the trials that are missing"
    folder = arguments.resume or arguments.output
    started = folder is not None and (folder / "checkpoints").is_dir()
    return f"continue with: preannotate train --resume {folder}" if started else "nothing was trained yet"


def _told(outcome: dict[str, Any], arguments: argparse.Namespace, words: Callable[[dict[str, Any]], str]) -> str:
    return json.dumps(outcome, ensure_ascii=False) if arguments.json else words(outcome)


def _train(arguments: argparse.Namespace, more: Mapping[str, Any]) -> dict[str, Any]:
    """Train or resume, with what a trial asks for beside the arguments."""
    from trainer.arguments import read_arguments
    from trainer.errors import TrainingError

    if bool(arguments.resume) == bool(arguments.exports):
        raise TrainingError("train: expected either an EXPORT to start from or --resume RUN to continue.")
    if arguments.continue_ and not arguments.output:
        raise TrainingError("--continue: no --output; expected the folder of the run.")
    asked = {**read_arguments(arguments.config, arguments.arguments, arguments.set), **more}
    for path in [*arguments.exports, *arguments.validation]:
        if not path.exists():
            raise TrainingError(f"{path}: no such file or folder; expected a zip or folder of annotations.")
    only = read_names(arguments.images)
    with quiet_loading():
        from trainer import train  # TensorFlow takes seconds: everything cheap was checked before

    if arguments.resume:
        return train.resume(arguments.resume)
    arguments.output = arguments.output or Path("runs") / datetime.datetime.now().strftime("%Y-%m-%d-%H%M%S")
    return train.start(
        train.Request(
            exports=arguments.exports,
            output=arguments.output,
            model=arguments.model,
            base_model=arguments.base_model,
            asked=asked,
            go_on=arguments.continue_,
            include_auto=arguments.include_auto,
            negatives=arguments.negatives,
            validation=arguments.validation,
            split_file=arguments.split_file,
            only=only,
            labels=_labels(arguments.labels),
        )
    )


def read_names(path: Path | None) -> list[str] | None:
    """Names of images, one a line; None for no file.

    Raises:
        TrainingError: The file cannot be read.
    """
    from trainer.errors import TrainingError

    if path is None:
        return None
    try:
        return [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise TrainingError(f"{path}: {error}; expected a text file of image names, one a line.") from error


class _AboveTheBar(logging.StreamHandler):
    """To stderr, without tearing the progress bar that is drawn there."""

    def emit(self, record: logging.LogRecord) -> None:
        from tqdm import tqdm  # here: `doctor` has to run where packages are missing

        tqdm.write(self.format(record), file=sys.stderr)


def _log_to_stderr() -> None:
    """Warnings of everybody, and what a person wants to know; the line of each epoch is for log.txt."""
    handler = _AboveTheBar(sys.stderr)
    handler.addFilter(lambda record: record.levelno >= logging.WARNING or record.name in SPOKEN)
    logging.basicConfig(format="%(message)s", handlers=[handler])


def _labels(text: str | None) -> list[str] | None:
    return [label.strip() for label in text.split(",") if label.strip()] if text else None


def _words(summary: dict[str, Any]) -> str:
    scores = summary["validation"]
    per_class = ", ".join(f"{label} {value:.3f}" for label, value in scores["ap50"].items())
    minutes = summary["seconds"] / 60
    return (
        f"{summary['epochs']} epochs in {minutes:.1f} minutes; best weights from epoch {summary['best_epoch']}\n"
        f"validation, {scores['images']} images with {scores['boxes']} boxes: "
        f"mAP50 {scores['map50']:.3f}, mAP {scores['mean_ap']:.3f}\n"
        f"AP50 by class: {per_class}\n"
        f"read {summary['run']}/report.html; then: preannotate build {summary['run']}"
    )


COMMANDS = (
    Command("train", "train a detector on annotated images", _add_arguments, _run),
    Command("arguments", "list the settings of a training and their defaults", _add_markdown, _run_arguments),
    Command("models", "list the models: speed, accuracy, and when to choose which", _add_markdown, _run_models),
)
