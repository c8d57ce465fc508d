"""Annotation exports, changed at random, read one after another: what is refused, what is read, and how long it takes.

    python benchmarks/hostile_annotations.py [--minutes 10] [--seed 1] [--seconds 20] [--megabytes 1500]

Folders and archives of every format are cut, doubled, nested and filled with wrong values. Each must give samples or
one sentence (`DatasetError`, `UsageError`). They are read in a process of its own that may use `--megabytes` of
memory; one that takes more than `--seconds` of the processor is a failure, too. Failures are printed with the seed that
repeats them, and the exit code is 1.
"""

import argparse
import contextlib
import json
import queue
import random
import resource
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections import Counter
from pathlib import Path
from typing import IO

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from support import hostile_exports  # noqa: E402 - beside the tests, which read the same exports for some seconds

from preannotate.core.errors import UsageError  # noqa: E402
from preannotate.formats.records import DatasetError  # noqa: E402
from trainer.datasets import load_dataset  # noqa: E402

ARCHIVES = 0.4
WARM_UP = 60.0
GRACE = 5  # a busy machine: times the seconds of the processor


def read_one(seed: int, folder: Path) -> str:
    """Make the export of a seed and read it; return what became of it."""
    generator = random.Random(seed)
    export = folder / "export"
    what = hostile_exports.make(export, generator)
    if generator.random() < ARCHIVES:
        archive = folder / "export.zip"
        what += " " + hostile_exports.pack(export, archive, generator)
        export = archive
    _forget_peak()
    started = time.process_time()
    try:
        dataset = load_dataset([export], None, negatives=True, masks=True)
        dataset.health.to_text((320, 320))
        outcome = "read" if dataset.samples else "nothing usable"
    except (DatasetError, UsageError) as error:
        outcome = "refused" if "\n" not in str(error) else f"FAILED: more than one line: {error!r}"
    except MemoryError:
        outcome = "FAILED: out of memory"
    except Exception as error:
        outcome = f"FAILED: {type(error).__name__}: {error}"
    seconds = time.process_time() - started
    return json.dumps({"what": what, "outcome": outcome[:300], "seconds": seconds, "megabytes": _peak()})


def child(seed: int, megabytes: int) -> None:
    """Read the export of each seed from `seed` on, and print a line before and after each."""
    warnings.simplefilter("ignore")  # of archives with two entries of one name
    resource.setrlimit(resource.RLIMIT_AS, (megabytes << 20, megabytes << 20))
    while True:
        print(json.dumps({"seed": seed}), flush=True)
        with tempfile.TemporaryDirectory(prefix="hostile-") as folder:
            result = read_one(seed, Path(folder))
        print(json.dumps({**json.loads(result), "seed": seed}), flush=True)
        seed += 1


def parent(minutes: float, seed: int, seconds: float, megabytes: int) -> int:
    """Follow a child, and start another after one that died or did not end."""
    outcomes: Counter[str] = Counter()
    failures: list[str] = []
    slowest: dict = {"seconds": 0.0}
    largest: dict = {"megabytes": 0}
    end = time.monotonic() + 60 * minutes
    while time.monotonic() < end:
        command = [sys.executable, __file__, "--child", "--seed", str(seed), "--megabytes", str(megabytes)]
        allowed = WARM_UP
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
            lines: queue.SimpleQueue[str] = queue.SimpleQueue()
            threading.Thread(target=_forward, args=(process.stdout, lines), daemon=True).start()
            try:
                while time.monotonic() < end:
                    if not (line := lines.get(timeout=allowed)):
                        failures.append(f"seed {seed}: the process ended with {process.wait()}")
                        break
                    found = json.loads(line)
                    seed, allowed = found["seed"], GRACE * seconds
                    if "outcome" not in found:
                        continue
                    outcomes[found["outcome"].partition(":")[0]] += 1
                    slowest = max(slowest, found, key=lambda case: case["seconds"])
                    largest = max(largest, found, key=lambda case: case["megabytes"])
                    if found["outcome"].startswith("FAILED") or found["seconds"] > seconds:
                        failures.append(f"seed {seed} ({found['what']}): {found['outcome']}, {found['seconds']:.1f} s")
            except queue.Empty:
                failures.append(f"seed {seed}: not read in {allowed:.0f} s")
            finally:
                process.kill()
        seed += 1
    print(
        f"{sum(outcomes.values())} exports: " + ", ".join(f"{count} {name}" for name, count in outcomes.most_common())
    )
    print(f"slowest: {slowest['seconds']:.2f} s ({slowest.get('what')}, seed {slowest.get('seed')})")
    print(f"most memory: {largest['megabytes']} MB ({largest.get('what')}, seed {largest.get('seed')})")
    print("\n".join(failures) or "no undocumented error")
    return bool(failures)


def _forward(stream: IO[str], lines: "queue.SimpleQueue[str]") -> None:
    """Hand on each line, and an empty one at the end."""
    for line in stream:
        lines.put(line)
    lines.put("")


def _forget_peak() -> None:
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _peak() -> int:
    """Return the most memory since `_forget_peak`, in MB."""
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc/self/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) >> 10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10


def main() -> int:
    """Parse arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--megabytes", type=int, default=1500)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument(
        "--one", action="store_true", help="read the export of --seed only, with a traceback if it fails"
    )
    arguments = parser.parse_args()
    if arguments.one:
        with tempfile.TemporaryDirectory(prefix="hostile-") as folder:
            print(read_one(arguments.seed, Path(folder)))
        return 0
    if arguments.child:
        child(arguments.seed, arguments.megabytes)
    return parent(arguments.minutes, arguments.seed, arguments.seconds, arguments.megabytes)


if __name__ == "__main__":
    raise SystemExit(main())
