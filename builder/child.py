"""Subprocesses of a build: a converter may crash the process it runs in, and a container sees only its own files."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from builder.errors import BuildError
from preannotate.core import child_process
from preannotate.core.child_process import Result

# Exit code of a module whose last line `error: …` is a whole sentence for the user.
COULD_NOT_RUN = 2


def run_module(module: str, arguments: Sequence[str], *, step: str) -> None:
    """Run one of our modules (`python -m module …`) without its output.

    Args:
        module: Its name.
        arguments: Of its command line.
        step: Begins the sentence if it fails without a line `error: …` of its own.

    Raises:
        BuildError: It failed or crashed.
    """
    command = child_process.module_command(module, arguments)
    _check(child_process.run(command, stdout=subprocess.DEVNULL), step)


def run_isolated(
    script: Path,
    arguments: Sequence[str],
    *,
    directory: Path,
    engine: str,
    step: str,
    timeout: float | None = None,
) -> None:
    """Run a script as a container runs a function: in `directory`, which alone is on its path.

    Args:
        script: May import what lies in `directory` and what is installed.
        arguments: Of the script.
        directory: Of the function.
        engine: For MODEL_ENGINE.
        step: Begins the sentence if it fails.
        timeout: Seconds that it may take; None waits for ever.

    Raises:
        BuildError: It failed, crashed or took too long.
    """
    # No bytecode: the directory must not change.
    environment = {
        "PYTHONPATH": str(directory),
        "MODEL_ENGINE": engine,
        "PYTHONDONTWRITEBYTECODE": "1",
        "TF_CPP_MIN_LOG_LEVEL": "2",
    }
    # -P: the folder of the script stays off the path.
    command = [sys.executable, "-P", str(script), *arguments]
    env = {**os.environ, **environment}
    _check(child_process.run(command, timeout=timeout, cwd=directory, env=env, stdout=subprocess.DEVNULL), step)


def _check(result: Result, step: str) -> None:
    if result.code == COULD_NOT_RUN and result.error:
        raise BuildError(result.error)
    if result.code != 0:
        raise BuildError(f"{step}: {result.ending}; expected it to succeed.")
