"""One training of `preannotate train`: what it was, what it took, and its scores on images that it has not seen."""

import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Training:
    """What is trained on what.

    Attributes:
        names, test_names: Images for training and for testing, of the exports `data` and `test`.
        base_model: None leaves the default.
        arguments: Of `--arguments`, without the seed.
        unlabelled: Folder of images for self-training; None trains without it.
        program: Arguments of Python that run the command line.
    """

    data: Path
    names: Sequence[str]
    test: Path
    test_names: Sequence[str]
    model: str
    base_model: str | None
    arguments: str
    unlabelled: Path | None = None
    program: Sequence[str] = ("-m", "preannotate")


def train_and_evaluate(training: Training, seed: int, run: Path) -> dict[str, Any]:
    """Train in the folder `run`, or continue there, and return what was measured on the test images.

    Returns:
        `round_scores` of the run's own SavedModel, `describe_run`, and `load`, that of the machine at the end of the
        training, over its cores: above 1, others were waiting for them too.
    """
    with tempfile.TemporaryDirectory() as folder:
        used, test = Path(folder) / "train.txt", Path(folder) / "test.txt"
        used.write_text("\n".join(training.names), encoding="utf-8")
        test.write_text("\n".join(training.test_names), encoding="utf-8")
        arguments = ",".join(filter(None, (f"seed={seed}", training.arguments)))
        command = ["train", str(training.data), "--images", str(used), "--model", training.model]
        command += ["--base-model", training.base_model] if training.base_model else []
        command += ["--unlabelled", str(training.unlabelled)] if training.unlabelled else []
        command += ["--arguments", arguments, "--output", str(run), "--continue"]
        summary, memory = preannotate(*command, program=training.program)
        load = os.getloadavg()[0] / len(os.sched_getaffinity(0))
        scores, _ = preannotate("evaluate", str(run), str(training.test), "--images", str(test))
    return {**round_scores(scores), **describe_run(run, summary, memory), "load": round(load, 1)}


def round_scores(scores: Mapping[str, Any]) -> dict[str, Any]:
    """Return scores as results keep them, of masks too if there are any; `scores` as in `evaluate --json`."""
    masks = scores.get("masks", {})
    return {
        "map50": round(scores["map50"], 4),
        "mean_ap": round(scores["mean_ap"], 4),
        **{f"mask_{name}": round(masks[name], 4) for name in ("map50", "mean_ap") if masks},
        "test_images": scores["images"],
        "test_boxes": scores["boxes"],
    }


def describe_run(run: Path, summary: Mapping[str, Any], peak_memory_gb: float) -> dict[str, Any]:
    """Return what was trained in a folder (model, input size, …) and what it took; `summary` as `train --json`."""
    config = json.loads((run / "config.json").read_text(encoding="utf-8"))
    with (run / "metrics.csv").open(encoding="utf-8") as file:
        steps = int([row["step"] for row in csv.DictReader(file)][-1])
    return {
        "model": config["model"],
        "base_model": Path(config["base_model"]).name,
        "input_size": config["input_size"],
        "batch_size": config["arguments"]["batch_size"],
        "steps": steps,
        "images_shown": steps * config["arguments"]["batch_size"],
        "seconds": summary["seconds"],
        "self_training": summary.get("self_training"),
        "peak_memory_gb": peak_memory_gb,
    }


def preannotate(*arguments: str, program: Sequence[str] = ("-m", "preannotate")) -> tuple[dict[str, Any], float]:
    """Run a command with --json; return what it printed and its peak memory in GB."""
    started = time.monotonic()
    command = [sys.executable, *program, *arguments, "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{' '.join(command)}: failed after {time.monotonic() - started:.0f} s")
    return json.loads(output), round(usage.ru_maxrss / 1e6, 2)
