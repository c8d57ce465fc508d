"""Several trainings that differ by seed, and if asked by a few settings; the best by validation mAP is named.

At a few hundred images this is the way to use more machines: one training does not become faster by many GPUs, but ten
trainings on ten of them take the time of one. Each trial is a run of its own, `trial-003/` in the folder of all; a
trial that is there already is not done again. Whichever ends last writes `trials.json`.

The best of several is picked by the same few images that its mAP is measured on, so that mAP flatters it: the more
trials, the more. Only images that no trial has seen tell how good it is.
"""

import itertools
import json
import os
import re
import statistics
import subprocess
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from preannotate.core import child_process
from runtime import processors
from trainer.arguments import parse_arguments
from trainer.errors import TrainingError
from trainer.run_directory import RunDirectory, replace_text

OUTCOME = "trials.json"
MOST = 100
NOTE = (
    "The best trial was picked by these mAPs, so its own is too high; the mean is what a training like these gives. "
    "Score the best on images that no trial has seen: preannotate evaluate."
)


@dataclass(frozen=True)
class Trial:
    """One of several trainings.

    Attributes:
        index: From 0 on.
        asked: What it is asked beside what all are: its seed and the settings that vary.

    """

    index: int
    asked: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Of its folder."""
        return f"trial-{self.index:03d}"


def plan_trials(count: int, vary: str, seed: int) -> list[Trial]:
    """The trials; each combination of settings is tried with a seed before any is with the next.

    Args:
        count: How many trials.
        vary: `alpha=0.5|1.0,freeze=0|3`, or nothing.
        seed: Of the first.

    Raises:
        TrainingError: An impossible number, setting or value.

    """
    if not 1 <= count <= MOST:
        raise TrainingError(f"--trials: {count}; expected a whole number from 1 to {MOST}.")
    names, choices = [], []
    for part in filter(None, (part.strip() for part in vary.split(","))):
        name, _, values = part.partition("=")
        choices.append([parse_arguments(f"{name}={value}", where="--vary") for value in values.split("|")])
        names += list(choices[-1][0])
    if "seed" in names:
        raise TrainingError(
            "--vary: seed; expected other arguments. Trials with the same settings differ by seed anyway."
        )
    settings = [
        {name: value for one in chosen for name, value in one.items()} for chosen in itertools.product(*choices)
    ]
    return [
        Trial(index, {**settings[index % len(settings)], "seed": seed + index // len(settings)})
        for index in range(count)
    ]


def run_all(trials: Sequence[Trial], command: Sequence[str], folder: Path, *, parallel: int) -> dict[str, Any]:
    """Train all on this machine, each in a process of its own, and pick the best.

    Args:
        trials: From `plan`.
        command: Arguments of `train` for each, without `--trial`.
        folder: Of all trials.
        parallel: Processes at a time; each has its share of the cores, and one of the GPUs if there are any.

    Returns:
        See `pick`.

    Raises:
        TrainingError: No trial came to its end.

    """
    cores = processors.cores()
    most = max(cores, len(gpus(os.environ)))
    if not 1 <= parallel <= most:
        raise TrainingError(
            f"--parallel: {parallel}; expected from 1 to {most}: this machine has cores or GPUs for no more."
        )
    free = list(range(parallel))

    interrupted = threading.Event()

    def check_interrupted() -> None:
        if interrupted.is_set():
            raise KeyboardInterrupt

    def train(trial: Trial) -> None:
        slot = free.pop()
        try:
            arguments = ["train", *command, "--trial", str(trial.index)]
            environment = {**os.environ, **share(slot, parallel, cores, gpus(os.environ))}
            # Messages go to stderr, as those of a single training.
            child_process.run(
                child_process.module_command("preannotate", arguments),
                poll=check_interrupted,
                env=environment,
                stdout=subprocess.DEVNULL,
                stderr=None,
            )
        finally:
            free.append(slot)

    with ThreadPoolExecutor(parallel) as pool:
        try:
            list(pool.map(train, trials))
        except BaseException:
            interrupted.set()
            raise
    return pick_best(folder, expected=trials)


def share(slot: int, parallel: int, cores: int, gpus: Sequence[str]) -> dict[str, str]:
    """What one of several processes may use of the machine, for its environment."""
    if parallel == 1:
        return {}
    threads = {"TF_NUM_INTRAOP_THREADS": str(max(cores // parallel, 1)), "TF_NUM_INTEROP_THREADS": "1"}
    return {**threads, **({"CUDA_VISIBLE_DEVICES": gpus[slot % len(gpus)]} if gpus else {})}


def gpus(environment: Mapping[str, str], devices: Path = Path("/dev")) -> list[str]:
    """Numbers of NVIDIA's GPUs as CUDA_VISIBLE_DEVICES takes them; no library is loaded to ask."""
    if "CUDA_VISIBLE_DEVICES" in environment:
        return [part.strip() for part in environment["CUDA_VISIBLE_DEVICES"].split(",") if part.strip()]
    numbers = (re.fullmatch(r"nvidia(\d+)", path.name) for path in devices.glob("nvidia*"))
    return sorted(number[1] for number in numbers if number)


def all_done(folder: Path, trials: Sequence[Trial]) -> bool:
    """Whether each trial has come to its end."""
    return all(RunDirectory(folder / trial.name).summary.is_file() for trial in trials)


def pick_best(folder: Path, *, expected: Sequence[Trial] = ()) -> dict[str, Any]:
    """Rank the trials in a folder that came to their end by validation mAP, and write `trials.json`.

    Args:
        folder: Of all trials.
        expected: Those that there should be; one that could not even begin has no folder.

    Returns:
        Its content: `best`, the name of a run; `trials`, the best first; `unfinished`; `mean_ap` over all; `note`.

    Raises:
        TrainingError: None has come to its end.

    """
    names = {path.name for path in folder.glob("trial-*") if path.is_dir()} | {trial.name for trial in expected}
    runs = [folder / name for name in sorted(names)]
    finished = [run for run in runs if RunDirectory(run).summary.is_file()]
    if not finished:
        raise TrainingError(f"{folder}: no finished trial; expected at least one. Look at log.txt in its folders.")
    rows = sorted((_row(RunDirectory(run)) for run in finished), key=lambda row: (-row["mean_ap"], row["run"]))
    values = [row["mean_ap"] for row in rows]
    outcome = {
        "best": rows[0]["run"],
        "trials": rows,
        "unfinished": [run.name for run in runs if run not in finished],
        "mean_ap": {"mean": statistics.fmean(values), "deviation": statistics.pstdev(values)},
        "note": NOTE,
    }
    replace_text(folder / OUTCOME, json.dumps(outcome, indent=2, ensure_ascii=False) + "\n")
    return outcome


def _row(run: RunDirectory) -> dict[str, Any]:
    try:
        summary = json.loads(run.summary.read_text(encoding="utf-8"))
        scores, asked = summary["validation"], json.loads(run.config.read_text(encoding="utf-8"))["asked"]
        return {"run": run.path.name, "asked": asked, "mean_ap": scores["mean_ap"], "map50": scores["map50"]}
    except (OSError, ValueError, KeyError) as error:
        raise TrainingError(
            f"{run.path}: {error}; expected a finished run. Delete the folder or train it again."
        ) from error


def describe(folder: Path, outcome: Mapping[str, Any]) -> str:
    """The outcome for a person."""
    lines = [f"{'trial':<10}  mAP    mAP50  asked"]
    for row in outcome["trials"]:
        asked = ", ".join(f"{name}={value}" for name, value in row["asked"].items())
        lines.append(f"{row['run']:<10}  {row['mean_ap']:.3f}  {row['map50']:.3f}  {asked}")
    spread = outcome["mean_ap"]
    if outcome["unfinished"]:
        lines.append(f"not finished: {', '.join(outcome['unfinished'])}")
    lines.append(f"mAP {spread['mean']:.3f} ± {spread['deviation']:.3f} (mean and standard deviation over trials)")
    return "\n".join([*lines, NOTE, f"next: preannotate build {folder / outcome['best']}"])
