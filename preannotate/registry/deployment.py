"""How CVAT gets a published function: from `preannotate serve`, which watches the folder, or from nuclio.

`nuctl` runs `builder/deploy/deploy.sh`, which needs Docker and nuctl and reports in a sentence what is missing.
"""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

import builder
from preannotate.core import child_process
from preannotate.registry.errors import WorkspaceError

SCRIPT = Path(builder.__file__).parent / "deploy" / "deploy.sh"
_LAST_LINES = 8


class Deploy(StrEnum):
    """How CVAT gets a function; NONE leaves it unpublished."""

    SERVE = "serve"
    NUCTL = "nuctl"
    NONE = "none"


class Deployment(Protocol):
    """What is done besides the copy in WORKSPACE/functions."""

    def publish(self, function: Path) -> None:
        """Deploy `function`, which is in place."""

    def unpublish(self, function: Path) -> None:
        """Withdraw `function`, which is about to be removed."""


@dataclass(frozen=True)
class ServedFolder:
    """Nothing to do: `preannotate serve` sees the folder change."""

    def publish(self, function: Path) -> None:
        """Do nothing."""

    def unpublish(self, function: Path) -> None:
        """Do nothing."""


@dataclass(frozen=True)
class Nuctl:
    """nuclio's local platform."""

    def publish(self, function: Path) -> None:
        """Build and deploy the CPU variant."""
        self._run("cpu", str(function))

    def unpublish(self, function: Path) -> None:
        """Delete it."""
        self._run("delete", function.name)

    def _run(self, *arguments: str) -> None:
        result = child_process.run(["bash", str(SCRIPT), *arguments])  # an unpacked wheel may have lost its mode
        if result.code:
            last_lines = " | ".join((result.stdout + result.stderr).strip().splitlines()[-_LAST_LINES:])
            raise WorkspaceError(
                f"deploy.sh {' '.join(arguments)}: {child_process.exit_reason(result.code)} ({last_lines}); expected "
                f"exit code 0. Fix that and run the same command again."
            )


# How a function can be published.
DEPLOYMENTS: dict[Deploy, Deployment] = {Deploy.SERVE: ServedFolder(), Deploy.NUCTL: Nuctl()}
