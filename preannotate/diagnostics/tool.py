"""Other programs: asked with a time limit, and never through a shell."""

import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass

SECONDS = 10.0


@dataclass(frozen=True)
class Output:
    """What a program said.

    Attributes:
        text: Its standard output.
        errors: Its standard error.
        problem: "" if it ended with exit code 0; else why not, in a few words.
        missing: There is no such program.
    """

    text: str
    errors: str
    problem: str
    missing: bool = False


def ask(*command: str, seconds: float = SECONDS, environment: Mapping[str, str] | None = None) -> Output:
    """Run a program and wait for its end.

    Args:
        command: Program and arguments.
        seconds: How long it may take.
        environment: All of its environment; None gives it that of this process.
    """
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=seconds,
            env=environment,
            check=False,
        )
    except FileNotFoundError:
        return Output("", "", "no such command", missing=True)
    except OSError as failed:
        return Output("", "", failed.strerror or str(failed))
    except subprocess.TimeoutExpired:
        return Output("", "", f"no answer within {seconds:g} s")
    return Output(done.stdout, done.stderr, _problem(done))


def _problem(done: subprocess.CompletedProcess[str]) -> str:
    if done.returncode == 0:
        return ""
    if done.returncode < 0:
        return f"ended by {signal.Signals(-done.returncode).name}"
    lines = [line.strip() for line in (done.stderr.strip() or done.stdout.strip()).splitlines()]
    return lines[-1] if lines else f"exit code {done.returncode}"
