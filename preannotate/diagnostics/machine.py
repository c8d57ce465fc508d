"""The machine: processor, memory, disk, proxies, and the GPU if it is asked for.

What cannot be read here (another system than Linux, a container without /proc) is passed over.
"""

import json
import os
import platform
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from preannotate.core.child_process import run_tool
from preannotate.core.memory import free_memory
from preannotate.diagnostics.finding import Finding, error, note, ok, warning
from preannotate.diagnostics.packages import IMPORT_SECONDS, TENSORFLOWS, installed
from runtime.processors import cores

PROC = Path("/proc")
DOCKER_SETTINGS = Path(".docker/config.json")
# Without it, CVAT's containers ask the proxy for names that only Docker knows.
UNPROXIED = ("nuclio", "host.docker.internal")
_GIB = 1024**3
# Two workers with OpenVINO, or one with TensorFlow and its libraries.
_LEAST_MEMORY = 2 * _GIB
# An image of a function takes about one gigabyte; files of a run much less.
_LEAST_DISK = 2 * _GIB


def processor() -> Iterator[Finding]:
    """Its instructions, and how many cores this process may use."""
    total, usable = os.cpu_count() or 1, cores()
    text = f"{usable} of {total} cores" if usable < total else f"{total} cores"
    flags = _flags()
    if platform.machine() not in ("x86_64", "AMD64") or not flags:
        yield ok("processor", f"{platform.machine()}, {text}")
        return
    remedy = "In a virtual machine, hand the host's processor through (CPU type `host`)."
    if "avx" not in flags:
        yield warning("processor", f"{text}, no AVX: TensorFlow ends with `Illegal instruction`.", remedy)
    elif "avx2" not in flags:
        yield note("processor", f"{text}, no AVX2: inference takes two to four times as long.", remedy)
    else:
        yield ok("processor", f"{text}, AVX2")


def memory() -> Iterator[Finding]:
    """What is free, within the limit of the container if there is one."""
    found = free_memory()
    if found is None:
        return
    if found < _LEAST_MEMORY:
        yield warning(
            "memory",
            f"{found / _GIB:.1f} GiB free; a worker that runs out of memory is killed, and CVAT gets status 503.",
            "Stop what is not needed, raise the container's limit, or lower numWorkers in function.yaml.",
        )
    else:
        yield ok("memory", f"{found / _GIB:.1f} GiB free")


def disk(folder: Path) -> Iterator[Finding]:
    """What is free where function directories lie."""
    try:
        free = shutil.disk_usage(folder).free
    except OSError as failed:
        yield warning(str(folder), f"{failed.strerror or failed}.", "Name a folder that can be read.")
        return
    if free < _LEAST_DISK:
        remedy = "Make room; `docker system df` says what Docker keeps, `docker image prune` removes unused images."
        yield warning(f"disk of {folder}", f"{free / _GIB:.1f} GiB free; an image of a function takes one.", remedy)
    else:
        yield ok(f"disk of {folder}", f"{free / _GIB:.1f} GiB free")


def proxies() -> Iterator[Finding]:
    """A proxy that CVAT's containers would be sent to with names that only Docker knows."""
    for where, (is_set, excepted) in {"proxy": _own_proxy(), "~/.docker/config.json": _docker_proxy()}.items():
        lacking = [name for name in UNPROXIED if name not in re.split(r"[,\s]+", excepted)]
        if not is_set or excepted.strip() == "*":
            continue
        if lacking:
            place = "the environment variable no_proxy" if where == "proxy" else "proxies.default.noProxy there"
            yield warning(
                where,
                f"a proxy is set, and its exceptions lack {' and '.join(lacking)}: CVAT's containers would ask the "
                f"proxy for nuclio (status 503 or 504).",
                f"Add {','.join(lacking)} to {place}, and recreate CVAT's containers (docker compose up -d).",
            )
        else:
            yield ok(where, f"a proxy is set; {' and '.join(UNPROXIED)} are excepted")


def gpu() -> Iterator[Finding]:
    """Whether driver and TensorFlow see a GPU."""
    driver = run_tool("nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader")
    if driver.problem:
        what = "no NVIDIA driver (nvidia-smi: no such command)" if driver.missing else f"nvidia-smi: {driver.problem}"
        yield error("GPU", f"{what}.", "Install NVIDIA's driver and reboot; without one use the CPU variant.")
        return
    for line in driver.stdout.strip().splitlines():
        yield ok("GPU", line.strip())
    names = [name for name in TENSORFLOWS if installed(name)]
    if not names:
        yield note("GPU", "TensorFlow is not installed.", "pip install 'preannotate[train-gpu]'")
        return
    code = "import tensorflow as tf; print(len(tf.config.list_physical_devices('GPU')))"
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"}
    result = run_tool(sys.executable, "-P", "-c", code, timeout=IMPORT_SECONDS, env=environment)
    if not result.problem and result.stdout.strip() not in ("", "0"):
        yield ok("GPU", f"TensorFlow sees {result.stdout.strip()}")
        return
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    chosen = "" if visible is None else f" (CUDA_VISIBLE_DEVICES is {visible!r})"
    yield error(
        "GPU",
        f"TensorFlow sees none{chosen}{f': {result.problem}' if result.problem else ''}.",
        "pip uninstall --yes tensorflow tensorflow-cpu && pip install 'preannotate[train-gpu]'"
        if names == ["tensorflow-cpu"]
        else "pip install --upgrade 'preannotate[train-gpu]' brings CUDA's libraries; the driver must not be older.",
    )


def _flags() -> set[str]:
    try:
        text = (PROC / "cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return set()
    found = re.search(r"^flags\s*:(.*)$", text, re.MULTILINE)
    return set(found[1].split()) if found else set()


def _own_proxy() -> tuple[bool, str]:
    """Whether a proxy is set in this environment, and its exceptions."""
    names = ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
    return any(os.environ.get(name) for name in names), os.environ.get("no_proxy", os.environ.get("NO_PROXY", ""))


def _docker_proxy() -> tuple[bool, str]:
    """The same of Docker's client, which hands them to every container that it starts."""
    home = os.environ.get("DOCKER_CONFIG")
    path = Path(home, "config.json") if home else Path.home() / DOCKER_SETTINGS
    try:
        proxy = json.loads(path.read_text(encoding="utf-8"))["proxies"]["default"]
        return bool(proxy.get("httpProxy") or proxy.get("httpsProxy")), str(proxy.get("noProxy", ""))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False, ""
