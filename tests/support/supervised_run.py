"""Stands in for `preannotate` where a supervisor starts runs: has the same arguments, and does what FAKE_RUN says.

ok         goes through its stages, leaves a finished version, ends with 0
refuse     prints `error: …` and ends with 2
worse      leaves a finished version and ends with 1
wait       trains until it is stopped; SIGINT ends it with 130, and the next time it continues
stubborn   the same, but ignores SIGINT and SIGTERM
crash      dies of SIGSEGV
say        prints its words and what of its environment is of interest
"""

import csv
import json
import os
import signal
import sys
import time
from pathlib import Path

from preannotate.core.files import write_json
from preannotate.core.progress import ProgressWriter
from preannotate.registry.workspace import Workspace

COMMAND = (sys.executable, __file__)


def main() -> int:
    what = os.environ.get("FAKE_RUN", "ok")
    words = sys.argv[1:]
    if what == "say":
        names = ("CVAT_ACCESS_TOKEN", "PASS", "CUDA_VISIBLE_DEVICES", "PREANNOTATE_SMTP_PASSWORD", "PREANNOTATE_RUN")
        print(json.dumps({"words": words, **{name: os.environ.get(name) for name in names}}))
        print(f"nice {os.nice(0)}, in {Path.cwd().name}")
        return 0
    if what == "refuse":
        print("error: task 12: no boxes; expected some. Draw them.", file=sys.stderr)
        return 2
    if words[0] != "run":
        return 0
    model = Workspace(Path(words[words.index("--workspace") + 1])).model(words[words.index("--name") + 1])
    with model.locked():
        return work(what, model)


def work(what, model) -> int:
    version = model.version(1)
    progress = ProgressWriter(Path("progress.json"), ["pull", "train", "build"])
    with progress.running("pull"):
        progress.update("pull", detail="6 frames")
    progress.set_version(version.number)
    if what == "stubborn":
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
    try:
        with progress.running("train"):
            train(what, version, progress)
    except KeyboardInterrupt:
        print("stopped")
        return 130
    (version.function / "nuclio").mkdir(parents=True)
    write_json(version.record_file, {"format": 1, "number": 1, "map50": 0.9})
    print("done")
    return 1 if what == "worse" else 0


def train(what, version, progress) -> None:
    version.run.mkdir(parents=True, exist_ok=True)
    with (version.run / "metrics.csv").open("w", newline="") as file:
        rows = csv.DictWriter(file, ["epoch", "step", "box_loss", "class_loss", "map50", "mean_ap", "seconds"])
        rows.writeheader()
        rows.writerow({"epoch": 1, "step": 4, "box_loss": 0.5, "class_loss": 0.25, "map50": 0.4, "seconds": 2.0})
    progress.update("train", done=2, total=8, unit="epoch", seconds_left=30.0)
    progress.write()
    if what == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    while what in ("wait", "stubborn"):
        time.sleep(0.02)


if __name__ == "__main__":
    sys.exit(main())
