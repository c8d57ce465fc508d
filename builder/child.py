"""Subprocesses: a converter may crash the process it runs in, and a container sees only its own files."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import builder
import runtime
from builder.errors import BuildError

# Exit code of a module whose last word is a whole sentence for the user.
REFUSED = 3


def run_module(module: str, arguments: Sequence[str], *, step: str) -> None:
    """Run one of our modules (`python -m module …`) with this very code on its path.

    Raises:
        BuildError: It failed or crashed; `step` begins the sentence, unless the module exits with REFUSED.
    """
    roots = {str(Path(package.__file__).parents[1]): None for package in (builder, runtime)}
    path = os.pathsep.join([*roots, *filter(None, [os.environ.get("PYTHONPATH")])])
    _run([sys.executable, "-m", module, *arguments], {"PYTHONPATH": path}, None, step)


def run_isolated(
    script: Path,
    arguments: Sequence[str],
    *,
    directory: Path,
    engine: str,
    step: str,
    seconds: float | None = None,
) -> None:
    """Run a script as a container runs a function: in `directory`, which alone is on its path.

    Args:
        script: May import what lies in `directory` and what is installed.
        arguments: Of the script.
        directory: Of the function.
        engine: For MODEL_ENGINE.
        step: Begins the sentence if it fails.
        seconds: How long it may take; None waits for ever.

    Raises:
        BuildError: It failed, crashed or took too long.
    """
    # -P: the folder of the script stays off the path. No bytecode: the directory must not change.
    environment = {
        "PYTHONPATH": str(directory),
        "MODEL_ENGINE": engine,
        "PYTHONDONTWRITEBYTECODE": "1",
        "TF_CPP_MIN_LOG_LEVEL": "2",
    }
    _run([sys.executable, "-P", str(script), *arguments], environment, directory, step, seconds)


def _run(
    command: Sequence[str],
    environment: Mapping[str, str],
    directory: Path | None,
    step: str,
    seconds: float | None = None,
) -> None:
    try:
        done = subprocess.run(
            command,
            env={**os.environ, **environment},
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise BuildError(f"{step}: no end within {seconds:g} s; expected it to succeed.") from error
    if done.returncode == 0:
        return
    lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
    if done.returncode == REFUSED and lines:
        raise BuildError(lines[-1].strip())
    how = f"exit code {done.returncode}"
    if done.returncode < 0:
        how = f"killed by {signal.Signals(-done.returncode).name}"
    raise BuildError(f"{step}: {how} ({lines[-1].strip() if lines else 'no message'}); expected it to succeed.")
