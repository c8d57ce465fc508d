"""`preannotate train`, `arguments` and `models`."""

import argparse
import dataclasses
import datetime
import json
import logging
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from preannotate.cli.arguments import add_images_file, add_json, add_labels, add_negatives, add_notify, labels_of
from preannotate.cli.command import INTERRUPTED, Command
from preannotate.core.terminal import SafeFormatter
from preannotate.core.text import format_score, format_scores, plural
from trainer.library_logging import quiet_loading

if TYPE_CHECKING:
    from trainer.request import TrainingRequest
    from trainer.run_directory import Summary
    from trainer.trials import TrialOptions, TrialResults

# Loggers whose information is shown on the terminal as well.
TERMINAL_LOGGERS = ("trainer.train", "trainer.preparation", "trainer.eta", "trainer.self_training")


def _add_train_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("exports", metavar="EXPORT", type=Path, nargs="*", help="zip file or folder of annotations in one of CVAT's "
        "formats")  # fmt: skip
    add("--model", default="auto", metavar="M", help="`preannotate models` lists them; auto (default): chosen by the "
        "images, and by the weights that can be had here")  # fmt: skip
    add("--arguments", default="", metavar="A=1,B=2", help="settings such as epochs=40,batch_size=16; "
        "`preannotate arguments` lists them")  # fmt: skip
    add("--set", action="append", default=[], metavar="A=1", help="one setting; overrides --arguments; can be given "
        "several times")  # fmt: skip
    add("--config", type=Path, metavar="FILE", help="YAML file of settings, one per line; --arguments overrides it")
    add("--base-model", default="auto", metavar="M", help="initial weights: coco, imagenet, none, a file of weights or "
        "the folder of a run; auto (default): coco or imagenet, whichever the model has")  # fmt: skip
    add("--output", type=Path, metavar="RUN", help="folder of the run (default: runs/ and the time)")
    add("--resume", type=Path, metavar="RUN", help="continue an interrupted run; needs no EXPORT")
    add("--continue", dest="continue_run", action="store_true", help="continue the run in --output if there is one, "
        "else start it; for jobs that are restarted")  # fmt: skip
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
    add("--unlabelled", type=Path, nargs="+", action="extend", default=[], metavar="FOLDER", help="images without "
        "annotations to learn from as well: folders or archives of images, or exports")  # fmt: skip
    add("--split-file", type=Path, metavar="FILE", help="file with the names of the validation images")
    add_images_file(parser)
    add_labels(parser)
    add_json(parser)
    add_notify(parser)


def _run_train(arguments: argparse.Namespace) -> int:
    from trainer.errors import TrainingError

    _log_to_stderr()
    if arguments.pick or arguments.kubernetes is not None:
        if arguments.notify:
            raise TrainingError(
                "train: --notify with --kubernetes or --pick, which do not train here; expected a training. "
                "Leave --notify out."
            )
        print(_pick_best(arguments.pick, arguments.json) if arguments.pick else _render_manifests(arguments))
        return 0
    default = Path("runs", datetime.datetime.now().strftime("%Y-%m-%d-%H%M%S"))
    folder: Path = arguments.resume or arguments.output or default

    def train() -> int:
        try:
            print(_train(arguments, folder))
        except KeyboardInterrupt:
            print(f"stopped; {_how_to_continue(arguments, folder)}", file=sys.stderr)
            return INTERRUPTED
        return 0

    if not arguments.notify:
        return train()
    from preannotate.notifications.delivery import train_and_notify

    return train_and_notify(train, folder, trials=arguments.trials is not None and arguments.trial is None)


def _add_markdown(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--markdown", action="store_true", help="print Markdown, as in docs/training.md")


def _run_listing(arguments: argparse.Namespace) -> int:
    with quiet_loading():
        import trainer.arguments.listing
        import trainer.models.listing

    listing = {"arguments": trainer.arguments.listing, "models": trainer.models.listing}[arguments.command]
    width = shutil.get_terminal_size((120, 24)).columns
    print(
        "\n\n".join(
            f"{head}:\n\n{table.markdown() if arguments.markdown else table.plain(width)}"
            for head, table in listing.tables(trainer.models.MODELS).items()
        )
    )
    return 0


def training_request(arguments: argparse.Namespace) -> "TrainingRequest":
    """Return the request that a command line of `train` makes.

    Raises:
        TrainingError: Impossible arguments, or a --config that cannot be read.
    """
    from trainer.arguments import read_arguments
    from trainer.request import TrainingRequest

    return TrainingRequest(
        exports=tuple(arguments.exports),
        output=arguments.output,
        model=arguments.model,
        base_model=arguments.base_model,
        overrides=read_arguments(arguments.config, arguments.arguments, arguments.set),
        include_auto=arguments.include_auto,
        negatives=arguments.negatives,
        validation=tuple(arguments.validation),
        unlabelled=tuple(arguments.unlabelled),
        split_file=arguments.split_file,
        images=arguments.images,
        labels=labels_of(arguments),
        continue_run=arguments.continue_run,
    )


def trial_options(arguments: argparse.Namespace) -> "TrialOptions | None":
    """Return the trials that a command line of `train` asks for; None for a single training.

    Raises:
        TrainingError: Options of trials without their number.
    """
    from trainer.errors import TrainingError
    from trainer.trials import TrialOptions

    if arguments.trials is not None:
        return TrialOptions(arguments.trials, arguments.vary, arguments.parallel, arguments.trial)
    if arguments.trial is not None or arguments.vary:
        raise TrainingError("train: --trial or --vary without --trials; expected the number of trials.")
    return None


def _train(arguments: argparse.Namespace, folder: Path) -> str:
    """Train one run in `folder`, resume one, or run trials; returns the text for standard output."""
    from trainer import trials
    from trainer.errors import TrainingError

    options = trial_options(arguments)
    if arguments.resume:
        if arguments.exports or options:
            raise TrainingError("--resume: continues a run as it was started; expected neither EXPORT nor --trials.")
        with quiet_loading():
            from trainer import train
        return _summary_text(train.resume(folder), as_json=arguments.json)
    request = training_request(arguments)
    if options is not None:
        if options.index is None:
            return _trials_text(trials.run_trials(request, options), folder, as_json=arguments.json)
        return _summary_text(trials.run_trial(request, options, options.index), as_json=arguments.json)
    request.check()
    with quiet_loading():
        from trainer import train  # TensorFlow takes seconds: everything cheap was checked before
    return _summary_text(train.start(dataclasses.replace(request, output=folder)), as_json=arguments.json)


def _pick_best(folder: Path, as_json: bool) -> str:
    from trainer.trials import pick_best

    return _trials_text(pick_best(folder), folder, as_json=as_json)


def _render_manifests(arguments: argparse.Namespace) -> str:
    from trainer import kubernetes

    pods = kubernetes.KubernetesOptions.parse(arguments.kubernetes, output=arguments.output)
    return kubernetes.render(training_request(arguments), pods, trial_options(arguments)).rstrip()


def _how_to_continue(arguments: argparse.Namespace, folder: Path) -> str:
    if arguments.trials:
        return "the same command continues with the missing trials"
    started = (folder / "checkpoints").is_dir()
    return f"continue with: preannotate train --resume {folder}" if started else "nothing was trained yet"


def _trials_text(results: "TrialResults", folder: Path, *, as_json: bool) -> str:
    from trainer.trials import describe_results

    return json.dumps(results, ensure_ascii=False) if as_json else describe_results(folder, results)


def _summary_text(summary: "Summary", *, as_json: bool) -> str:
    if as_json:
        return json.dumps(summary, ensure_ascii=False)
    scores = summary["validation"]
    per_class = ", ".join(
        f"{label} {format_score(value)} ({format_score(scores.get('ap', {}).get(label))})"
        for label, value in scores["ap50"].items()
    )
    minutes = summary["seconds"] / 60
    return (
        f"{plural(summary['epochs'], 'epoch')} in {minutes:.1f} minutes; best weights from epoch "
        f"{summary['best_epoch']}\n"
        f"{_self_training_line(summary)}"
        f"validation, {plural(scores['images'], 'image')} with {plural(scores['boxes'], 'box', 'boxes')}: "
        f"{format_scores(scores['map50'], scores['mean_ap'])}\n"
        f"{_mask_line(summary)}"
        f"AP50 (AP) by class: {per_class}\n"
        f"read {summary['run']}/report.html; then: preannotate build {summary['run']}"
    )


def _mask_line(summary: "Summary") -> str:
    scores = summary.get("validation_masks")  # none in runs of before it
    if not scores:
        return ""
    return f"{plural(scores['boxes'], 'mask')}: {format_scores(scores['map50'], scores['mean_ap'])}\n"


def _self_training_line(summary: "Summary") -> str:
    from trainer.self_training_result import describe

    result = summary.get("self_training")  # none in runs of before it
    return f"{describe(result)}\n" if result else ""


class _ProgressBarHandler(logging.StreamHandler[TextIO]):
    """To stderr, above the progress bar that is drawn there."""

    def emit(self, record: logging.LogRecord) -> None:
        from tqdm import tqdm  # here: `doctor` has to run where packages are missing

        tqdm.write(self.format(record), file=sys.stderr)


def _log_to_stderr() -> None:
    """Show all warnings, and what matters on a terminal; the line of each epoch only goes to log.txt."""
    handler = _ProgressBarHandler(sys.stderr)
    handler.addFilter(lambda record: record.levelno >= logging.WARNING or record.name in TERMINAL_LOGGERS)
    handler.setFormatter(SafeFormatter("%(message)s"))
    logging.basicConfig(handlers=[handler])


COMMANDS = (
    Command("train", "train a detector on annotated images", _add_train_arguments, _run_train),
    Command("arguments", "list the settings of a training and their defaults", _add_markdown, _run_listing),
    Command("models", "list the models: size, speed, and when to choose which", _add_markdown, _run_listing),
)
