"""Double publications, and kills of publications and of runs at random moments: what is left agrees with itself.

    python benchmarks/kills.py [--publications 40] [--kills 60] [--runs 60] [--seed 1]

Every command is a process of its own. CVAT, training and building are the tests' stand-ins, so that a run takes
seconds; everything between them is real. After each kill the history of publications and the published folder must
agree, the next command must work, and nothing half-written may be left; at the end a run that nobody kills succeeds.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from results import describe_machine  # noqa: E402
from support.cvat_stand_in import TOKEN, FakeJob, FakeLabel, FakeTask, StandIn, rectangle  # noqa: E402
from support.pipeline import LABELS, red, write_function  # noqa: E402

from preannotate.core.files import write_json  # noqa: E402
from preannotate.core.progress import State  # noqa: E402
from preannotate.jobs.database import Database  # noqa: E402
from preannotate.jobs.queue import RunQueue  # noqa: E402
from preannotate.registry import publication  # noqa: E402
from preannotate.registry.workspace import Workspace  # noqa: E402

NAME = "boards"
# The command line as it is, with the commands that train and build replaced.
PROGRAM = """
import sys
from preannotate.core import child_process
from preannotate.cli.main import main
if sys.argv[1] == "run":
    from support.pipeline import Commands
    child_process.run_module = Commands(shift=int(sys.argv.pop())).run_module
sys.exit(main(sys.argv[1:]))
"""


def start(*arguments: str) -> subprocess.Popen[bytes]:
    path = os.pathsep.join(map(str, (ROOT, ROOT / "functions", ROOT / "tests")))
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *arguments],
        env=os.environ | {"PYTHONPATH": path, "CVAT_ACCESS_TOKEN": TOKEN, "TQDM_DISABLE": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def killed(process: subprocess.Popen[bytes], seconds: float) -> bool:
    """Kill a process after so long; whether it still ran."""
    try:
        process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.communicate()
        return True
    return False


def problems(workspace: Workspace) -> list[str]:
    """What does not agree; whatever a killed process left may be put in order by this look."""
    model = workspace.model(NAME)
    if not model.path.is_dir():
        return []
    found = []
    with model.locked():
        pass
    entries = json.loads(model.publications.read_text()) if model.publications.exists() else []
    recorded = entries[-1]["version"] if entries else None
    if recorded != publication.published_version(model):
        found.append("the file and what commands say differ")
    target = workspace.functions / NAME
    if recorded is None:
        found += ["a folder without a publication"] if target.exists() else []
    elif not target.exists():
        found.append("a publication without a folder")
    elif digest(target) != digest(model.version(recorded).function):
        found.append(f"the folder is not version {recorded}")
    # In the folder of a run, whoever records its end cleans up: at the latest the next run.
    left = [path for path in workspace.path.rglob(".*") if is_left(path)]
    found += [f"left over: {path}" for path in left if path.relative_to(workspace.path).parts[0] != "runs"]
    return found


def is_left(path: Path) -> bool:
    return path.suffix == ".new" or any(mark in path.name for mark in (".draft-", ".publish-", ".extract-"))


def digest(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def publications(folder: Path, rounds: int, kills: int) -> dict[str, object]:
    workspace = Workspace(folder)
    for number in (1, 2):
        version = workspace.model(NAME).version(number)
        write_function(version.function.parent, NAME, shift=number)
        write_json(version.record_file, {"format": 1, "number": number, "map50": 0.9})
    mixed = 0
    durations = []
    for _ in range(rounds):
        began = time.monotonic()
        both = [start("publish", NAME, str(number), "--workspace", str(folder)) for number in (1, 2)]
        for process in both:
            process.communicate()
        durations.append(time.monotonic() - began)
        mixed += bool(problems(workspace)) or any(process.returncode for process in both)
    after_kills = interrupted = 0
    for round_ in range(kills):
        command = ("publish", NAME, str(round_ % 2 + 1)) if round_ % 5 else ("unpublish", NAME)
        process = start(*command, "--workspace", str(folder))
        # Starting Python takes most of the time.
        interrupted += killed(process, random.uniform(0.3, 0.75) * sum(durations) / len(durations))
        after_kills += bool(found := problems(workspace))
        print(*found, sep="\n", end="\n" if found else "")
    return {
        "double publications": rounds,
        "of these mixed": mixed,
        "publications killed": interrupted,
        "of these in disagreement": after_kills,
    }


def runs(folder: Path, kills: int) -> dict[str, object]:
    with StandIn().running() as cvat:
        images = [(f"{i}.png", red((10 + i, 10, 30 + i, 30))) for i in range(6)]
        shapes = [rectangle(i, 7, [10 + i, 10, 30 + i, 30]) for i in range(6)]
        job = FakeJob(40, 0, 5, shapes=shapes)
        labels = [FakeLabel(7 + i, name) for i, name in enumerate(LABELS)]
        cvat.add(FakeTask(12, images, labels, [job]))
        shift = 0

        def command() -> subprocess.Popen[bytes]:
            options = ("--cvat", cvat.url, "--task", "12", "--name", NAME, "--wait", "0")
            return start("run", "--workspace", str(folder), *options, str(shift))

        began = time.monotonic()
        process = command()
        _, said = process.communicate()
        whole = time.monotonic() - began
        workspace = Workspace(folder)
        if publication.published_version(workspace.model(NAME)) != 1:
            raise SystemExit(f"the first run did not publish: {said.decode()}")
        bad = interrupted = 0
        for _ in range(kills):
            if random.random() < 0.6:  # other annotations, so another version
                shift += 1
                job.shapes[0]["points"][0] = 5 + shift % 5
                job.updated = f"2026-11-{shift % 28 + 1:02d}T10:00:{shift % 60:02d}.000000Z"
            interrupted += killed(command(), random.uniform(0.2, 1.05) * whole)
            bad += bool(found := problems(workspace))
            print(*found, sep="\n", end="\n" if found else "")
        shift += 1
        job.shapes[0]["points"][1] = 7
        job.updated = "2026-12-24T10:00:00.000000Z"
        process = command()
        _, said = process.communicate()
        latest = workspace.model(NAME).latest_version()
        works = latest is not None and publication.published_version(workspace.model(NAME)) == latest.number
        if not works:
            print(said.decode())
        database = Database(workspace.database)
        hanging = len(RunQueue(database, workspace).in_state(State.RUNNING))
        database.close()
        return {
            "runs killed": interrupted,
            "of these in disagreement": bad,
            "a run afterwards publishes": works,
            "runs that seem to run": hanging,
            "files left in folders of runs": sum(map(is_left, workspace.path.rglob(".*"))),
            "seconds of a run": round(whole, 1),
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--publications", type=int, default=40)
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--runs", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    random.seed(options.seed)
    print(describe_machine())
    with tempfile.TemporaryDirectory() as folder:
        found = publications(Path(folder) / "a", options.publications, options.kills)
        print(json.dumps(found, indent=1), flush=True)
        print(json.dumps(runs(Path(folder) / "b", options.runs), indent=1))


if __name__ == "__main__":
    main()
