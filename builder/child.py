"""Subprocesses of a build: a converter may crash the process it runs in, and a container sees only its own files."""

import importlib.util
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from builder.errors import BuildError
from preannotate.core import child_process
from preannotate.core.child_process import Result

# Exit code of a module whose last line `error: …` is a whole sentence for the user.
COULD_NOT_RUN = 2
_CRASHES = [-number for number in (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL)]


def require_packages(extras: Mapping[str, str], purpose: str) -> None:
    """Check that the packages of a subprocess are installed.

    Args:
        extras: Package to the extra of this project that installs it.
        purpose: What they are needed for; part of the message.

    Raises:
        BuildError: One is not installed.
    """
    for package, extra in extras.items():
        if importlib.util.find_spec(package) is None:
            raise BuildError(
                f"{package}: not installed; expected it for {purpose}. Install it with: "
                f"pip install 'preannotate[{extra}]'."
            )


def run_module(module: str, arguments: Sequence[str], *, step: str) -> None:
    """Run `python -m module …` without showing its output.

    Raises:
        BuildError: It failed, crashed or reached a limit of `builder.confinement`; `step` begins the sentence
            unless the module printed a line `error: …`.
    """
    command = child_process.module_command(module, arguments)
    result = child_process.run(command, stdout=subprocess.DEVNULL)
    if result.code == -signal.SIGALRM:
        raise BuildError(f"{step}: it took too long; expected an end within minutes. Export a smaller model.")
    if result.code in _CRASHES:
        reason = child_process.exit_reason(result.code)
        raise BuildError(
            f"{step}: the library that reads it crashed ({reason}), or ran out of memory; expected a whole model. "
            f"Free memory, or export it again."
        )
    _check(result, step)


def run_isolated(
    script: Path,
    arguments: Sequence[str],
    *,
    directory: Path,
    engine: str,
    step: str,
    timeout: float | None = None,
) -> None:
    """Run a script as a container runs a function: in `directory`, and only that and installed packages on its path.

    Args:
        script: May lie elsewhere; its own folder is not on the path.
        arguments: Of the script.
        directory: Of the function.
        engine: Value of MODEL_ENGINE.
        step: Begins the sentence if it fails.
        timeout: Seconds; None for no limit.

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
