"""Stands in for `preannotate run` where `watch` queues runs: makes a version or fails, as `orders.json` says.

It has the arguments of the real one, and writes what the real one writes.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path

from preannotate.core.files import write_json
from preannotate.core.progress import ProgressWriter, State
from preannotate.pipeline.run_request import RunRequest, write_run_request

COMMAND = (sys.executable, __file__)


def requested(folder, cvat, *, tasks=(), projects=(), jobs=()):
    """A workspace in which `boards` was requested; the server gets the task."""
    from support.cvat_stand_in import USER, FakeJob, FakeLabel, FakeTask, picture

    images = [(f"cam{i}.png", picture(i)) for i in range(4)]
    found = [FakeJob(40, 0, 1, state="completed"), FakeJob(41, 2, 3)]
    cvat.add(FakeTask(12, images, [FakeLabel(7, "forklift")], found, project_id=3))
    cvat.projects.append(3)
    user = None if cvat.new else USER
    request = RunRequest(cvat=cvat.url, user=user, tasks=tasks, projects=projects, jobs=jobs)
    write_run_request(folder / "models" / "boards" / "run_request.json", request)
    order(folder, cvat)
    return folder


def order(folder, cvat, **orders):
    """What the fake does next: code, version (default: true), seconds, stage of the failure, map50."""
    jobs = {job.id: [job.state, job.updated] for task in cvat.tasks.values() for job in task.jobs}
    write_json(folder / "orders.json", {"jobs": jobs} | orders)


def runs(folder):
    """Arguments of the runs so far."""
    path = folder / "runs.txt"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def version_made(model, number, jobs, map50=0.9):
    """As a run leaves it."""
    (model / "dataset").mkdir(exist_ok=True)
    listed = [
        {"id": int(job), "state": state, "updated_date": updated, "type": "annotation"}
        for job, (state, updated) in jobs.items()
    ]
    (model / "dataset" / "source.json").write_text(json.dumps({"jobs": listed}))
    version = model / "versions" / str(number)
    (version / "function" / model.name / "nuclio").mkdir(parents=True)
    record = {"format": 1, "number": number, "map50": map50, "mean_ap": 0.5, "labels": ["a"], "model": "ssd"}
    (version / "version.json").write_text(json.dumps(record | {"images": {"train": 8, "validation": 2}}))


def main():
    """Run."""
    stopped = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.append(True))
    arguments = sys.argv[1:]
    folder = Path(arguments[arguments.index("--workspace") + 1])
    model = folder / "models" / arguments[arguments.index("--name") + 1]
    orders = json.loads((folder / "orders.json").read_text())
    secrets = sorted(name for name in os.environ if "SECRET" in name or "SMTP" in name)
    with (folder / "runs.txt").open("a") as file:
        file.write(json.dumps({"arguments": arguments, "process": os.getpid(), "secrets": secrets}) + "\n")
    print("the fake run is at work", flush=True)
    end = time.monotonic() + orders.get("seconds", 0)
    while time.monotonic() < end:
        if stopped:
            print("stopped; the same command continues", flush=True)
            return 130
        time.sleep(0.01)
    number = len(list((model / "versions").glob("*"))) + 1 if (model / "versions").exists() else 1
    code = orders.get("code", 0)
    failed = "stage" in orders or code == 2
    progress = ProgressWriter(Path("progress.json"), ["pull", "train", "annotate"])
    for name in ("pull", "train", "annotate"):
        progress.update(name, state=State.FAILED if failed and name == orders.get("stage", "train") else State.DONE)
    if orders.get("version", not failed):
        version_made(model, number, orders["jobs"], orders.get("map50", 0.9))
        if code == 0:
            write_json(model / "published.json", [{"version": number, "at": "", "deploy": "serve"}])
        progress.set_version(number)
    progress.write()
    if failed and (error := orders.get("error", "")):
        print(f"error: {error}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
