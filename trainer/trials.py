"""Several trainings that differ by seed and, on request, by a few settings; the best by validation mAP is picked.

With a few hundred images this is how more machines help: a training does not become faster by many GPUs, but ten
trainings on ten of them take the time of one. Each trial is a run of its own, `trial-003/` in the folder of all;
a finished trial is not trained again. The last one to end writes `trials.json`.

Of a network that learns masks, mAP is that of masks for labels that are answered with them. The best of several is
picked by the same few images that its mAP is measured on, which biases that mAP upwards, the more so the more trials
there are. Only images that no trial has seen give an unbiased figure.
"""

import contextlib
import functools
import itertools
import json
import os
import re
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypedDict

from preannotate.core.child_process import POLL_SECONDS, ChildProcess, module_command
from preannotate.core.files import write_json
from preannotate.core.text import columns, format_score, format_scores, plural
from runtime import processors
from trainer.arguments import parse_arguments
from trainer.errors import TrainingError
from trainer.library_logging import quiet_loading
from trainer.request import TrainingRequest
from trainer.run_directory import RunDirectory, Summary

RESULTS = "trials.json"
MAX_TRIALS = 100
NOTE = (
    "The best trial was picked by these mAPs, so its own is too high; expect the mean of a training like these. "
    "Measure the best on images that no trial has seen: preannotate evaluate."
)


@dataclass(frozen=True)
class TrialOptions:
    """How many trainings, and how many at a time on this machine.

    They differ by the settings in `vary`, such as `alpha=0.5|1.0,freeze=0|3`, or "" for the seed alone. `index` is the
    only trial to train; None trains all.
    """

    count: int
    vary: str = ""
    parallel: int = 1
    index: int | None = None


class TrialRow(TypedDict):
    """A finished trial in `trials.json`: its folder, its own arguments, and its validation scores."""

    run: str
    overrides: dict[str, Any]
    mean_ap: float
    map50: float


class Spread(TypedDict):
    """Mean and standard deviation over trials."""

    mean: float
    deviation: float


class SettingRow(TypedDict):
    """All finished trials that differ by nothing but their seed, and what they have in common."""

    overrides: dict[str, Any]
    trials: int
    map50: Spread
    mean_ap: Spread


class TrialResults(TypedDict):
    """Content of `trials.json`; `trials` and `settings` have the best first, `best` is the name of its folder."""

    best: str
    trials: list[TrialRow]
    settings: list[SettingRow]
    unfinished: list[str]
    map50: Spread
    mean_ap: Spread
    note: str


@dataclass(frozen=True)
class Trial:
    """One of several trainings, counted from 0; `overrides` are its seed and the settings that vary."""

    index: int
    overrides: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Name of its folder."""
        return f"trial-{self.index:03d}"

    def request(self, common: TrainingRequest, folder: Path) -> TrainingRequest:
        """Return the request of this trial in the folder of all; `common` is what they share."""
        overrides = {**common.overrides, **self.overrides}
        return replace(common, output=folder / self.name, overrides=overrides, continue_run=True)


def plan_trials(count: int, vary: str, seed: int) -> list[Trial]:
    """Return the trials: all combinations of settings (`TrialOptions.vary`) with the first seed, then with the next."""
    if not 1 <= count <= MAX_TRIALS:
        raise TrainingError(f"--trials: {count}; expected a whole number from 1 to {MAX_TRIALS}.")
    names, choices = [], []
    for part in filter(None, (part.strip() for part in vary.split(","))):
        name, _, values = part.partition("=")
        choices.append([parse_arguments(f"{name}={value}", where="--vary") for value in values.split("|")])
        names += list(choices[-1][0])
    if "seed" in names:
        raise TrainingError(
            "--vary: seed; expected other arguments. Trials with the same settings differ by seed anyway."
        )
    settings = [dict(itertools.chain(*(choice.items() for choice in chosen))) for chosen in itertools.product(*choices)]
    return [
        Trial(index, {**settings[index % len(settings)], "seed": seed + index // len(settings)})
        for index in range(count)
    ]


def run_trials(request: TrainingRequest, options: TrialOptions) -> TrialResults:
    """Train all trials on this machine, and pick the best; a TrainingError if none was finished.

    `request.output` is the folder of all trials; a trial that exists there is continued.
    """
    trials, folder = _plan(request, options)
    request.check()
    _train_all(trials, request, folder, options.parallel)
    return pick_best(folder, expected=trials)


def run_trial(request: TrainingRequest, options: TrialOptions, index: int) -> Summary:
    """Train the trial that a scheduler has the index of, from 0 on; the last one to end picks the best."""
    trials, folder = _plan(request, options)
    if not 0 <= index < len(trials):
        raise TrainingError(f"--trial: {index}; expected a number from 0 to {len(trials) - 1}.")
    own = trials[index].request(request, folder)
    own.check()
    with quiet_loading():
        from trainer import train  # TensorFlow takes seconds: everything cheap was checked before
    summary = train.start(own)
    if all(RunDirectory(folder / trial.name).summary.is_file() for trial in trials):
        pick_best(folder)
    return summary


def _plan(request: TrainingRequest, options: TrialOptions) -> tuple[list[Trial], Path]:
    if request.output is None:
        raise TrainingError(
            "--trials: no --output; expected a folder for all of them. The same command continues them."
        )
    return plan_trials(options.count, options.vary, request.config.seed), request.output


def _train_all(trials: Sequence[Trial], common: TrainingRequest, folder: Path, parallel: int) -> None:
    """Train each in a process of its own; each has its share of the cores, and one of the GPUs if there are any."""
    cores, gpus = processors.cores(), list_gpus(os.environ)
    most = max(cores, len(gpus))
    if not 1 <= parallel <= most:
        raise TrainingError(
            f"--parallel: {parallel}; expected from 1 to {most}: this machine has cores or GPUs for no more."
        )
    pending, running = list(trials), dict[int, tuple[Trial, ChildProcess]]()
    with contextlib.ExitStack() as stack:  # an interruption stops all of them
        while pending or running:
            for slot in range(parallel):
                if pending and slot not in running:
                    trial = pending.pop(0)
                    command = module_command("preannotate", ["train", *trial.request(common, folder).to_argv()])
                    environment = {**os.environ, **share_of_machine(slot, parallel, cores, gpus)}
                    _show(trial.name, f"begins, with {_settings(trial.overrides)}")
                    # Its messages go to stderr, as those of a single training; those of several have its name.
                    stderr = None if parallel == 1 else subprocess.PIPE
                    show = functools.partial(_show, trial.name)
                    child = ChildProcess(
                        command, env=environment, stdout=subprocess.DEVNULL, stderr=stderr, on_stderr=show
                    )
                    running[slot] = trial, stack.enter_context(child)
            for slot, (trial, child) in list(running.items()):
                if child.wait(POLL_SECONDS):
                    del running[slot]
                    left = len(pending) + len(running)
                    _show(trial.name, f"{_describe_end(trial, folder)}; {plural(left, 'trial')} left")


def _show(name: str, line: str) -> None:
    print(f"{name}: {line}", file=sys.stderr, flush=True)


def _describe_end(trial: Trial, folder: Path) -> str:
    run = RunDirectory(folder / trial.name)
    if not run.summary.is_file():
        return "not finished"
    row = _row(run)
    return f"{format_scores(row['map50'], row['mean_ap'])} on the validation images"


def share_of_machine(slot: int, parallel: int, cores: int, gpus: Sequence[str]) -> dict[str, str]:
    """Return environment variables that limit one of `parallel` processes to its share of cores and GPUs."""
    if parallel == 1:
        return {}
    threads = {"TF_NUM_INTRAOP_THREADS": str(max(cores // parallel, 1)), "TF_NUM_INTEROP_THREADS": "1"}
    return {**threads, **({"CUDA_VISIBLE_DEVICES": gpus[slot % len(gpus)]} if gpus else {})}


def list_gpus(environment: Mapping[str, str], devices: Path = Path("/dev")) -> list[str]:
    """Return the numbers of NVIDIA's GPUs as in CUDA_VISIBLE_DEVICES, without loading a library."""
    if "CUDA_VISIBLE_DEVICES" in environment:
        return [part.strip() for part in environment["CUDA_VISIBLE_DEVICES"].split(",") if part.strip()]
    numbers = (re.fullmatch(r"nvidia(\d+)", path.name) for path in devices.glob("nvidia*"))
    return sorted(number[1] for number in numbers if number)


def pick_best(folder: Path, *, expected: Sequence[Trial] = ()) -> TrialResults:
    """Rank the finished trials in a folder by validation mAP, and write `trials.json`; an error if none is finished.

    An `expected` trial that could not even start has no folder.
    """
    names = {path.name for path in folder.glob("trial-*") if path.is_dir()} | {trial.name for trial in expected}
    runs = [RunDirectory(folder / name) for name in sorted(names)]
    finished = [run for run in runs if run.summary.is_file()]
    if not finished:
        raise TrainingError(f"{folder}: no finished trial; expected at least one. Look at log.txt in its folders.")
    rows = sorted(map(_row, finished), key=lambda row: (-row["mean_ap"], row["run"]))
    results: TrialResults = {
        "best": rows[0]["run"],
        "trials": rows,
        "settings": _by_setting(rows),
        "unfinished": [run.path.name for run in runs if run not in finished],
        "map50": _spread([row["map50"] for row in rows]),
        "mean_ap": _spread([row["mean_ap"] for row in rows]),
        "note": NOTE,
    }
    write_json(folder / RESULTS, results)
    return results


def _by_setting(rows: Sequence[TrialRow]) -> list[SettingRow]:
    groups: dict[str, list[TrialRow]] = {}
    for row in rows:
        groups.setdefault(json.dumps(_without_seed(row["overrides"]), sort_keys=True), []).append(row)
    settings: list[SettingRow] = [
        {
            "overrides": _without_seed(group[0]["overrides"]),
            "trials": len(group),
            "map50": _spread([row["map50"] for row in group]),
            "mean_ap": _spread([row["mean_ap"] for row in group]),
        }
        for group in groups.values()
    ]
    return sorted(settings, key=lambda setting: -setting["mean_ap"]["mean"])


def _without_seed(overrides: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in overrides.items() if name != "seed"}


def _spread(values: Sequence[float]) -> Spread:
    return {"mean": statistics.fmean(values), "deviation": statistics.pstdev(values)}


def _row(run: RunDirectory) -> TrialRow:
    try:
        summary = json.loads(run.summary.read_text(encoding="utf-8"))
        scores = summary.get("decisive") or summary["validation"]  # not in runs of before masks
        overrides = json.loads(run.config.read_text(encoding="utf-8"))["overrides"]
        return {"run": run.path.name, "overrides": overrides, "mean_ap": scores["mean_ap"], "map50": scores["map50"]}
    except (OSError, ValueError, KeyError) as error:
        raise TrainingError(
            f"{run.path}: {error}; expected a finished run. Delete the folder or train it again."
        ) from error


def describe_results(folder: Path, results: TrialResults) -> str:
    """Return the results as lines for people: a line for each trial, and the means, by setting if there are several."""
    rows, settings = results["trials"], results["settings"]
    varied = _varied([row["overrides"] for row in rows])
    table = [("trial", "mAP50", "mAP", "arguments")]
    for row in rows:
        own = {name: row["overrides"].get(name) for name in varied}
        table.append((row["run"], format_score(row["map50"]), format_score(row["mean_ap"]), _settings(own)))
    lines = [columns(table)]
    if results["unfinished"]:
        lines.append(f"not finished: {', '.join(results['unfinished'])}")
    if len(settings) == 1:
        (setting,) = settings
        scores = f"mAP50 {_mean(setting['map50'])}, mAP {_mean(setting['mean_ap'])}"
        lines.append(f"{scores} (mean and standard deviation over {plural(setting['trials'], 'trial')})")
    else:
        heading = ("arguments", "trials", "mAP50", "mAP (means and standard deviations)")
        table_of_settings = [heading]
        for setting in settings:
            own = {name: setting["overrides"].get(name) for name in varied if name != "seed"}
            cells = (_settings(own), str(setting["trials"]), _mean(setting["map50"]), _mean(setting["mean_ap"]))
            table_of_settings.append(cells)
        lines.append(columns(table_of_settings))
    return "\n".join([*lines, NOTE, f"next: preannotate build {folder / results['best']}"])


def _varied(overrides: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the names of the arguments that are not the same in all trials; of a single trial, its seed."""
    names = dict.fromkeys(name for one in overrides for name in one)
    return [name for name in names if any(one.get(name) != overrides[0].get(name) for one in overrides)] or ["seed"]


def _settings(overrides: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in overrides.items() if value is not None)


def _mean(spread: Spread) -> str:
    return f"{format_score(spread['mean'])} ± {format_score(spread['deviation'])}"
