"""mAP on held-out photos after training for some minutes, as mean and spread over seeds.

Example, with a folder of VOC annotations and the names of its training and test images:

    python benchmarks/accuracy.py DATA --train eval_train.txt --test eval_test.txt \
        --model ssd-efficientnet-lite0 --base-model imagenet --minutes 20 --seeds 0 1 2 --name microcontrollers

Each run is `preannotate train` and `preannotate evaluate` on the run's own SavedModel; the test photos
are seen by neither training nor the choice of weights. `--limit 30` trains on the first thirty photos in the
order of the hash of their names. Results are appended to benchmarks/results/accuracy.json.
"""

import argparse
import hashlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from results import describe_machine, report


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder or zip of annotations")
    parser.add_argument("--train", type=Path, required=True, help="names of the training images")
    parser.add_argument("--test", type=Path, required=True, help="names of the test images")
    parser.add_argument("--model", default="ssd-mobilenet-v2")
    parser.add_argument("--base-model", required=True)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--limit", type=int, help="train on so many images only")
    parser.add_argument("--arguments", default="", help="further arguments of the trainer")
    parser.add_argument("--name", required=True, help="of the line in the results")
    options = parser.parse_args()

    names = options.train.read_text().split()
    if options.limit:
        names = sorted(names, key=lambda name: hashlib.sha256(name.encode()).hexdigest())[: options.limit]
    training = Training(
        options.data, names, options.test, options.model, options.base_model, options.minutes, options.arguments
    )
    results = [_train_and_evaluate(training, seed) for seed in options.seeds]
    line = {
        "training_images": len(names),
        "model": options.model,
        "base_model": Path(options.base_model).name,
        "minutes": options.minutes,
        "arguments": options.arguments,
        "seeds": options.seeds,
        "map50": [round(result["map50"], 4) for result in results],
        "map50_mean": round(statistics.mean(result["map50"] for result in results), 4),
        "map50_spread": round(max(r["map50"] for r in results) - min(r["map50"] for r in results), 4),
        "mean_ap": [round(result["mean_ap"], 4) for result in results],
        "test_images": results[0]["images"],
        "test_boxes": results[0]["boxes"],
        "train_seconds": [result["seconds"] for result in results],
        "peak_memory_gb": [result["peak_memory_gb"] for result in results],
        "machine": describe_machine(),
    }
    report(line, "accuracy.json", options.name)


@dataclass(frozen=True)
class Training:
    """What all seeds share; `names` are the training images."""

    data: Path
    names: list[str]
    test: Path
    model: str
    base_model: str
    minutes: float
    arguments: str


def _train_and_evaluate(training: Training, seed: int) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        used = Path(folder) / "train.txt"
        used.write_text("\n".join(training.names))
        run = Path(folder) / "run"
        arguments = f"max_minutes={training.minutes},seed={seed},{training.arguments}"
        command = ("train", str(training.data), "--images", str(used))
        command += ("--model", training.model, "--base-model", training.base_model)
        summary, memory = _preannotate(*command, "--arguments", arguments, "--output", str(run))
        scores, _ = _preannotate("evaluate", str(run), str(training.data), "--images", str(training.test))
        print(f"seed {seed}: mAP50 {scores['map50']:.4f} after {summary['seconds']} s", file=sys.stderr, flush=True)
        return {**scores, "seconds": summary["seconds"], "peak_memory_gb": memory}


def _preannotate(*arguments: str) -> tuple[dict, float]:
    """The command's JSON and its peak memory in GB."""
    started = time.monotonic()
    command = [sys.executable, "-m", "preannotate", *arguments, "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{' '.join(command)}: failed after {time.monotonic() - started:.0f} s")
    return json.loads(output), round(usage.ru_maxrss / 1e6, 2)


if __name__ == "__main__":
    main()
