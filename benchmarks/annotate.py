"""Images a second of `preannotate annotate`: one image after the other, against several at work at once.

    python benchmarks/annotate.py functions/NAME PHOTOS [--rounds 3]

The first two rows loop over one process, whose network has one thread or all cores; the last is what `annotate` does
for many images. Starting the processes is not counted, and the rows take turns, round by round.
"""

import argparse
import json
import os
import statistics
import time
from pathlib import Path

from results import describe_machine

from builder.function_directory import FunctionDirectory
from preannotate.inference.function_process import FunctionPool, processes_for
from preannotate.inference.images import find_images


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("function", type=Path)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    directory, images = FunctionDirectory.open(options.function).path, find_images([options.photos])
    many = processes_for(len(images))
    pools = {
        "one by one, 1 thread": start(directory, 1, threads="1"),
        "one by one, all threads": start(directory, 1),
        f"{many} processes": start(directory, many),
    }
    speeds: dict[str, list[float]] = {name: [] for name in pools}
    for _ in range(options.rounds):
        for name, pool in pools.items():
            started = time.perf_counter()
            answers = list(pool.map(images, None, lambda image, answer: answer))
            speeds[name].append(len(answers) / (time.perf_counter() - started))
    for pool in pools.values():
        pool.close()
    medians = {name: round(statistics.median(values), 1) for name, values in speeds.items()}
    best = medians[f"{many} processes"]
    ratios = {name: round(best / value, 2) for name, value in medians.items()}
    print(json.dumps({"images per second": medians, "ratios": ratios, "machine": describe_machine()}, indent=1))


def start(directory: Path, processes: int, threads: str | None = None) -> FunctionPool:
    """A pool whose processes have so many threads; None leaves it to the pool."""
    os.environ.pop("MODEL_THREADS", None)
    if threads is not None:
        os.environ["MODEL_THREADS"] = threads
    return FunctionPool(directory, processes)


if __name__ == "__main__":
    main()
