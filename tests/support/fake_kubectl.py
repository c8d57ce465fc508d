"""Stands for kubectl: a Job is a file, and its pod is the training command, which FAKE_POD plays.

done       after two looks it has trained: it wrote what a training leaves, and the Job is complete
fail       after two looks the Job has failed, and its pod said why
forever    it is never done
deaf       the cluster does not answer
"""

import json
import os
import sys
from pathlib import Path

import yaml

STATE = Path(os.environ["FAKE_CLUSTER"])
JOB, LOOKS, CALLS = STATE / "job.yaml", STATE / "looks", STATE / "calls.json"


def main() -> int:
    words = sys.argv[1:]
    calls = json.loads(CALLS.read_text()) if CALLS.exists() else []
    CALLS.write_text(json.dumps([*calls, words]))
    what = os.environ["FAKE_POD"]
    if what == "deaf":
        print("Unable to connect to the server: dial tcp 10.0.0.1:6443: i/o timeout", file=sys.stderr)
        return 1
    if "apply" in words:
        if JOB.exists():
            print("the Job is there", file=sys.stderr)
            return 1
        JOB.write_text(sys.stdin.read())
        LOOKS.write_text("0")
    elif "delete" in words:
        JOB.unlink(missing_ok=True)
    elif "logs" in words:
        print("epoch 1\nerror: boards: no images; expected some.")
    elif "get" in words and JOB.exists():
        print(json.dumps({"status": status(what)}))
    return 0


def status(what):
    looks = int(LOOKS.read_text()) + 1
    LOOKS.write_text(str(looks))
    if what == "forever" or looks < 2:
        return {"active": 1}
    if what == "fail":
        reason = "Job has reached the specified backoff limit"
        return {"conditions": [{"type": "Failed", "status": "True", "message": reason}]}
    (job,) = yaml.safe_load_all(JOB.read_text())
    arguments = job["spec"]["template"]["spec"]["containers"][0]["args"]
    run = Path(arguments[arguments.index("--output") + 1])
    run.mkdir(parents=True, exist_ok=True)
    (run / "summary.json").write_text("{}")
    return {"conditions": [{"type": "Complete", "status": "True"}]}


if __name__ == "__main__":
    sys.exit(main())
