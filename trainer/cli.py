"""`train`, `arguments` and `models`, for `python -m trainer` and for `preannotate`, which mounts the same COMMANDS.

Exit codes: 0 done; 2 it could not run; 3 another worker of the run was lost, and all can continue; 130 interrupted.
"""

import argparse
import datetime
import functools
import json
import logging
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from preannotate.core.text import Table
from trainer.library_logging import quiet_loading
from trainer.to_argv import retell

AddArguments = Callable[[argparse.ArgumentParser], None]
Run = Callable[[argparse.Namespace], int]

INTERRUPTED = 130
# Loggers whose information is shown on the terminal as well.
SPOKEN = ("trainer.train", "trainer.preparation", "trainer.eta")


def add_train_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `train`."""
    add = parser.add_argument
    add(
        "exports",
        metavar="EXPORT",
        type=Path,
        nargs="*",
        help="zip or folder of annotations, any of CVAT's formats",
    )
    add(
        "--model",
        default="ssd-mobilenet-v2",
        help="default: ssd-mobilenet-v2; auto: by the images; `models` lists them",
    )
    add("--arguments", default="", metavar="A=1,B=2", help="such as epochs=40,batch_size=16; `arguments` lists them")
    add("--set", action="append", default=[], metavar="A=1", help="one argument; overrules --arguments; repeatable")
    add("--config", type=Path, metavar="FILE", help="YAML with one argument a line; --arguments overrules it")
    add("--base-model", default="imagenet", metavar="M", help="imagenet (default), none, or a file of weights")
    add("--output", type=Path, metavar="RUN", help="folder of the run (default: runs/ and the time)")
    add("--resume", type=Path, metavar="RUN", help="continue an interrupted run; needs no EXPORT")
    add(
        "--continue",
        dest="continue_",
        action="store_true",
        help="go on with the run in --output if there is one, else start it: for jobs that are restarted",
    )
    add("--trials", type=int, metavar="N", help="N trainings that differ by seed, in --output; the best is named")
    add("--vary", default="", metavar="A=1|2,B=…", help="settings that trials differ by as well, in all combinations")
    add("--parallel", type=int, default=1, metavar="P", help="trials at a time on this machine (default: 1)")
    add("--trial", type=int, metavar="I", help="only this one of --trials, from 0 on: for schedulers with an index")
    add("--pick", type=Path, metavar="RUNS", help="name the best of the trials in RUNS that are finished")
    add(
        "--kubernetes",
        metavar="A=1,B=2",
        help="print manifests of this training and end; such as image=REGISTRY/IMAGE,claim=NAME,workers=2,gpus=1",
    )
    add("--include-auto", action="store_true", help="also learn from automatic annotations")
    add("--negatives", action="store_true", help="frames without annotations show that nothing is there")
    add(
        "--validation",
        type=Path,
        nargs="+",
        default=[],
        metavar="EXPORT",
        help="hold out these instead of a part",
    )
    add("--split-file", type=Path, metavar="FILE", help="names of the validation images")
    add("--images", type=Path, metavar="FILE", help="use only the images named in FILE, one a line")
    add("--labels", metavar="A,B", help="learn only these classes (default: all that the export declares)")
    add("--json", action="store_true", help="print the summary as JSON")


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


def add_arguments_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `arguments`."""
    parser.add_argument("--markdown", action="store_true", help="as the tables of docs/training.md")


def run_arguments(arguments: argparse.Namespace) -> int:
    """Print what `--arguments` takes and the defaults; returns the exit code."""
    with quiet_loading():
        from trainer.arguments.listing import tables
        from trainer.models import MODELS

    _print_tables(tables(MODELS), markdown=arguments.markdown)
    return 0


def add_models_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `models`."""
    parser.add_argument("--markdown", action="store_true", help="as the table of docs/training.md")


def run_models(arguments: argparse.Namespace) -> int:
    """Print the models, how fast they were, and when to choose which; returns the exit code."""
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


# name: (help, add_arguments, run)
COMMANDS: dict[str, tuple[str, AddArguments, Run]] = {
    "train": ("train a detector on annotated images", add_train_arguments, run_train),
    "arguments": ("what --arguments takes, and the defaults", add_arguments_arguments, run_arguments),
    "models": ("the models, how fast they are, and when to choose which", add_models_arguments, run_models),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `python -m trainer`; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m trainer", description="From annotations to a trained detector.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (text, add_arguments, run) in COMMANDS.items():
        command = commands.add_parser(name, help=text, description=text)
        add_arguments(command)
        command.set_defaults(execute=run)
    parsed = parser.parse_args(arguments)
    return parsed.execute(parsed)


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
