"""Results of benchmarks: the machine they were measured on, the common command line, and the files that keep them."""

import argparse
import datetime
import importlib.metadata
import json
import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

PACKAGES = ("tensorflow-cpu", "tensorflow", "keras", "openvino", "numpy", "pillow")


def describe_machine() -> dict[str, str]:
    """Return processor, cores, versions and date, to store beside a result."""
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


def model_parser(description: str) -> argparse.ArgumentParser:
    """Return a parser for benchmarks of a model on annotated images that it has not seen."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("model", type=Path, help="functions/NAME or runs/NAME")
    parser.add_argument("data", type=Path, help="folder or zip of annotations")
    parser.add_argument("--images", type=Path, help="use only the images named in this file")
    parser.add_argument("--name", help="append the figures to the file in benchmarks/results under this name")
    return parser


def read_names(path: Path | None) -> list[str] | None:
    """Return the image names in a file; None for no file."""
    return path.read_text(encoding="utf-8").split() if path else None


def report(figures: dict[str, Any], file: str, name: str | None) -> None:
    """Print figures as JSON, and append them to a file in benchmarks/results if they have a name."""
    if name:
        path = Path(__file__).parent / "results" / file
        lines: Sequence[Any] = json.loads(path.read_text()) if path.exists() else []
        path.write_text(json.dumps([*lines, {"name": name, **figures}], indent=1) + "\n")
    print(json.dumps(figures, indent=1))
