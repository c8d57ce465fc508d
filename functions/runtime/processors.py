"""How many threads a worker may use: the cores it is allowed, shared with the other workers.

nuclio starts one process for each worker, and none knows of the others. If each takes all cores,
they stand in each other's way; the number of workers is therefore read where nuclio reads it.
"""

import math
import os
from pathlib import Path

from runtime import bounded_yaml
from runtime.errors import EngineError

# The configuration in force, which nuclio puts into every container; flags of nuctl may have changed the file's.
DEPLOYED = Path("/etc/nuclio/config/processor/processor.yaml")
FUNCTION_FILE = "function.yaml"
_CGROUP = Path("/sys/fs/cgroup")


def threads(directory: Path) -> int:
    """Threads for the engine of one worker.

    MODEL_THREADS if it is set, else the cores of this container divided by its workers.

    Raises:
        EngineError: MODEL_THREADS is not a positive whole number.
    """
    text = os.environ.get("MODEL_THREADS", "")
    if not text:
        return max(1, cores() // workers(directory))
    if not (text.isascii() and text.isdigit()) or int(text) < 1:
        raise EngineError(f"MODEL_THREADS: {text!r}; expected a whole number from 1 on, or nothing.")
    return int(text)


def cores() -> int:
    """Cores that this process may use: its affinity, and what the container's limit leaves of it."""
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, math.ceil(min(available, _quota())))


def workers(directory: Path) -> int:
    """Number of processes that serve this function here; 1 where no file gives one."""
    for path in (DEPLOYED, directory / FUNCTION_FILE):
        try:
            triggers = bounded_yaml.read(path)["spec"]["triggers"].values()
            http = next(trigger for trigger in triggers if trigger.get("kind") == "http")
            return max(1, int(http.get("numWorkers") or http.get("maxWorkers") or 1))
        except (OSError, ValueError, KeyError, TypeError, AttributeError, StopIteration):
            continue
    return 1


def _quota() -> float:
    """Cores' worth of time that the container's limit (`docker run --cpus`) allows; infinite without one."""
    try:  # version 2 of control groups, then version 1
        quota, period = (_CGROUP / "cpu.max").read_text(encoding="ascii").split()
    except (OSError, ValueError):
        try:
            quota, period = (
                (_CGROUP / "cpu" / name).read_text(encoding="ascii")
                for name in ("cpu.cfs_quota_us", "cpu.cfs_period_us")
            )
        except OSError:
            return math.inf
    try:
        return int(quota) / int(period) if int(quota) > 0 else math.inf
    except (ValueError, ZeroDivisionError):  # "max": no limit
        return math.inf
