"""CPU function: seconds from process start to the first answer, and peak memory of the worker.

    python benchmarks/cold_start.py functions/NAME photo.jpg

A child process is started in the function directory as nuclio starts a worker: it imports `main`, runs
`init_context` and answers one request. The median of five starts is printed.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from results import describe_machine

STARTS = 5
CHILD = """
import base64, logging, sys, types
sys.path.insert(0, ".")
import nuclio_sdk
import main
logger = nuclio_sdk.logger.Logger(logging.WARNING)
context = nuclio_sdk.Context(logger)
context.user_data = types.SimpleNamespace()
main.init_context(context)
image = base64.b64encode(open(sys.argv[1], "rb").read()).decode()
response = main.handler(context, nuclio_sdk.Event(body={"image": image}))
assert response.status_code == 200, response.body
print(response.body, flush=True)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("function", type=Path)
    parser.add_argument("image", type=Path)
    options = parser.parse_args()
    measured = [_start(options.function / "nuclio", options.image.resolve()) for _ in range(STARTS)]
    result = {
        "seconds_to_first_answer": round(statistics.median(seconds for seconds, _ in measured), 2),
        "peak_memory_mb": round(statistics.median(memory for _, memory in measured)),
        "machine": describe_machine(),
    }
    print(json.dumps(result, indent=1))


def _start(directory: Path, image: Path) -> tuple[float, float]:
    started = time.monotonic()
    environment = {**os.environ, "MODEL_ENGINE": "openvino"}
    command = [sys.executable, "-P", "-c", CHILD, str(image)]
    process = subprocess.Popen(command, cwd=directory, env=environment, stdout=subprocess.PIPE)
    answered = process.stdout.readline()
    seconds = time.monotonic() - started
    _, status, usage = os.wait4(process.pid, 0)
    if status or not answered:
        sys.exit("the function did not answer")
    return seconds, usage.ru_maxrss / 1000


if __name__ == "__main__":
    main()
