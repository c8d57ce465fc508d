"""What a figure was measured on: processor, cores, versions, date."""

import datetime
import importlib.metadata
import os
import platform
from pathlib import Path

PACKAGES = ("tensorflow-cpu", "tensorflow", "keras", "openvino", "numpy", "pillow")


def describe() -> dict[str, str]:
    """Plain JSON to store beside a result."""
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "processor": _processor(),
        "cores": str(len(os.sched_getaffinity(0))),
        "python": platform.python_version(),
        **versions,
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")
