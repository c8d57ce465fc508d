"""What deploy.sh knows about failures, for doctor: a sentence with a remedy for what nuctl, Docker or a log said.

The patterns are in builder/deploy/failure_cause.sh, because deploy.sh runs without Python. Without bash there is no
sentence.
"""

from pathlib import Path

import builder
from builder.variants import PYTHON
from preannotate.core.child_process import TOOL_SECONDS, run

_SCRIPTS = Path(builder.__file__).parent / "deploy"
_CALL = 'PYTHON_VERSION=$2 && . "$1/output.sh" && . "$1/failure_cause.sh" && plain | "${@:3}"'
# Reports and logs are read from their end, where the error is.
_LONGEST = 200_000


def of_report(report: str) -> str:
    """Return the cause in a report of nuctl or Docker, in one line; "" if there is none."""
    return _ask(report, "nuctl_error")


def of_log(log: str, *, out_of_memory: bool = False) -> str:
    """Return why the container with this log ended, in one line; "" if that is not known."""
    return _ask(log, "log_cause", "yes" if out_of_memory else "no")


def _ask(text: str, *call: str) -> str:
    command = ["bash", "-c", _CALL, "bash", str(_SCRIPTS), PYTHON, *call]
    result = run(command, timeout=TOOL_SECONDS, given=text[-_LONGEST:].replace("\0", ""))
    return "" if result.problem else result.stdout.strip()
