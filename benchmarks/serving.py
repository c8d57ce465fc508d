"""Milliseconds by stage, and requests a second over HTTP, against raw inference and a handler of the usual kind.

    python benchmarks/serving.py functions/NAME … [--photo FILE] [--plot FILE] [--seconds 6]

All in one run on one machine: the stages of one request (for other sizes, see `stages.py`); then `preannotate serve`
answers one, two and four clients who send a JPEG of 1920x1080 each, with one and with two workers. Of each pair of
rows, the ratio is what counts.
"""

import argparse
import base64
import contextlib
import http.client
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import stages
from results import describe_machine

USUAL = Path(__file__).with_name("usual_handler") / "main.py"
SIZE = (1920, 1080)
CLIENTS = (1, 2, 4)
Rows = dict[str, dict[str, float]]
# (row, which handler, workers, threads for each; None leaves them to the software)
SETTINGS = (
    ("1 worker, 1 thread", "ours", 1, 1),
    ("1 worker, all threads", "ours", 1, None),
    ("2 workers, threads shared", "ours", 2, None),
    ("usual handler, 1 worker", "usual", 1, None),
    ("usual handler, 2 workers", "usual", 2, None),
)
RAW = """
import sys, time
from pathlib import Path
import numpy as np
from runtime import engines
from runtime.manifest import Manifest
directory, seconds = Path(sys.argv[1]), float(sys.argv[2])
engine = engines.load("openvino", directory)
width, height = Manifest.read(directory).input_size
pixels = np.random.default_rng(0).integers(0, 255, (1, height, width, 3), np.uint8)
engine.run(pixels)
started, count = time.perf_counter(), 0
while time.perf_counter() - started < seconds:
    engine.run(pixels)
    count += 1
print(count / (time.perf_counter() - started))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("functions", type=Path, nargs="+", metavar="FUNCTION")
    parser.add_argument("--photo", type=Path, help="resized to 1920x1080; without it, a synthetic image is used")
    parser.add_argument("--plot", type=Path, help="PNG to write")
    parser.add_argument("--seconds", type=float, default=6.0, help="of each row and number of clients (default: 6)")
    options = parser.parse_args()
    data = stages.jpeg(options.photo, SIZE)
    body = json.dumps({"image": base64.b64encode(data).decode("ascii")}).encode("ascii")
    milliseconds, results = {}, {}
    for function in options.functions:
        milliseconds[function.name] = stages.measure(stages.load(function / "nuclio"), data)
        results[function.name] = measure(function, body, options.seconds)
        print(stage_table(function.name, milliseconds[function.name]))
        print(table(function.name, results[function.name]), flush=True)
    figures = {"milliseconds by stage": milliseconds, "requests a second by clients": results}
    print(json.dumps({**figures, "photo bytes": len(data), "machine": describe_machine()}, indent=1))
    if options.plot:
        plot(milliseconds, results, options.plot)


def measure(function: Path, body: bytes, seconds: float) -> Rows:
    """Rows of {column: value}: requests a second for each number of clients, and milliseconds of one client."""
    rows: Rows = {}
    for name, threads in (("raw inference, 1 thread", "1"), ("raw inference, all threads", "")):
        rows[name] = {"1": raw(function / "nuclio", threads, seconds)}
    with tempfile.TemporaryDirectory(prefix="preannotate-") as work:
        for kind in ("ours", "usual"):
            copy_function(function / "nuclio", Path(work) / kind, kind)
        for name, kind, workers, threads in SETTINGS:
            with served(Path(work) / kind, workers, threads) as port:
                ask(port, kind, body, 1, seconds=1)  # warm
                rows[name] = {}
                for clients in CLIENTS:
                    latencies = ask(port, kind, body, clients, seconds=seconds)
                    rows[name][str(clients)] = len(latencies) / seconds
                    if clients == 1:
                        rows[name]["ms"] = 1000 * statistics.median(latencies)
    return {name: {column: round(value, 1) for column, value in row.items()} for name, row in rows.items()}


def raw(directory: Path, threads: str, seconds: float) -> float:
    """Inferences a second in a loop, in a process that does nothing else."""
    environment = {key: value for key, value in os.environ.items() if key != "MODEL_THREADS"}
    environment |= {"MODEL_THREADS": threads or str(len(os.sched_getaffinity(0)))}
    command = [sys.executable, "-c", RAW, str(directory), str(seconds)]
    return float(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)


def copy_function(directory: Path, target: Path, kind: str) -> None:
    """functions/KIND/nuclio as it was built, or with the usual handler instead."""
    nuclio = target / kind / "nuclio"
    shutil.copytree(directory, nuclio, ignore=shutil.ignore_patterns("saved_model"))
    if kind == "usual":
        shutil.copyfile(USUAL, nuclio / "main.py")
    path = nuclio / "function.yaml"
    path.write_text(re.sub(r"(?m)^  name: .*$", f"  name: {kind}", path.read_text("utf-8"), count=1), "utf-8")


@contextlib.contextmanager
def served(folder: Path, workers: int, threads: int | None) -> Iterator[int]:
    """The port of a running `preannotate serve`."""
    environment = {key: value for key, value in os.environ.items() if key != "MODEL_THREADS"}
    if threads is not None:
        environment["MODEL_THREADS"] = str(threads)
    command = [sys.executable, "-m", "preannotate", "serve", str(folder), "--port", "0", "--workers", str(workers)]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        port = int(re.search(r":(\d+) ", process.stdout.readline())[1])
        wait_until_ready(port)
        yield port
    finally:
        process.terminate()
        process.wait()


def wait_until_ready(port: int) -> None:
    """Until every function is ready."""
    for _ in range(600):
        connection = http.client.HTTPConnection("127.0.0.1", port)
        connection.request("GET", "/healthz")
        health = json.load(connection.getresponse())
        if all(function["state"] == "ready" for function in health["functions"].values()):
            return
        time.sleep(0.1)
    sys.exit("the functions did not become ready")


def ask(port: int, name: str, body: bytes, clients: int, *, seconds: float) -> list[float]:
    """Seconds that each answer took, of as many as came in so long."""
    end = time.perf_counter() + seconds
    latencies: list[float] = []

    def client() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        headers = {"Content-Type": "application/json", "x-nuclio-function-name": name}
        while (started := time.perf_counter()) < end:
            connection.request("POST", "/api/function_invocations", body, headers)
            response = connection.getresponse()
            answer = response.read()
            if response.status != 200:
                raise RuntimeError(f"{name}: status {response.status} {answer[:200]!r}")
            if time.perf_counter() < end:
                latencies.append(time.perf_counter() - started)

    threads = [threading.Thread(target=client) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return latencies


def stage_table(name: str, milliseconds: dict[str, float]) -> str:
    """For people."""
    lines = [f"{name:30} milliseconds of one request, engine with its share of the cores"]
    lines += [f"{stage:30} {value:9.3f}" for stage, value in milliseconds.items()]
    return "\n".join(lines) + "\n"


def table(name: str, rows: Rows) -> str:
    """For people."""
    head = f"{name:30} " + " ".join(f"{clients} clients" if clients > 1 else " 1 client" for clients in CLIENTS)
    lines = [f"{head}  latency   (requests a second; milliseconds with 1 client)"]
    for row, values in rows.items():
        columns = " ".join(f"{values[str(clients)]:9.1f}" if str(clients) in values else " " * 9 for clients in CLIENTS)
        lines.append(f"{row:30} {columns} {values.get('ms', 1000 / values['1']):8.1f}")
    return "\n".join(lines) + "\n"


def plot(milliseconds: Rows, results: dict[str, Rows], path: Path) -> None:
    """For each function its stages, and beside them a group of bars for each row."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(len(results), 2, figsize=(15, 3.4 * len(results)), squeeze=False)
    for (left, right), (name, rows) in zip(axes, results.items(), strict=True):
        shown = {stage: value for stage, value in milliseconds[name].items() if stage != stages.BESIDES}
        left.barh(
            list(shown), list(shown.values()), 0.6, color=["C7" if key == stages.PLAIN else "C0" for key in shown]
        )
        left.set_xlabel("milliseconds of one request; grey: for comparison")
        for number, clients in enumerate(CLIENTS):
            values = [row.get(str(clients), 0) for row in rows.values()]
            positions = [position + 0.27 * (number - 1) for position in range(len(rows))]
            right.barh(positions, values, 0.25, label=f"{clients} client" + "s" * (clients > 1))
        right.set_yticks(range(len(rows)), list(rows))
        right.set_xlabel("requests a second, JPEG of 1920x1080")
        right.legend()
        for axis in (left, right):
            axis.invert_yaxis()
            axis.set_title(name)
    figure.tight_layout()
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main()
