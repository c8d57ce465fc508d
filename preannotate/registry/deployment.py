"""How CVAT gets at a published function: through `preannotate serve`, which watches the folder, or through nuclio.

`nuctl` runs `builder/deploy/deploy.sh`, which needs Docker and nuctl and says in a sentence what is missing.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import builder
from preannotate.core import child_process
from preannotate.registry.errors import WorkspaceError

SERVE, NUCTL = "serve", "nuctl"
SCRIPT = Path(builder.__file__).parent / "deploy" / "deploy.sh"
_LAST_LINES = 8


class Deployment(Protocol):
    """What happens beside the copy in WORKSPACE/functions."""

    def publish(self, function: Path) -> None:
        """`function` was put in place."""

    def unpublish(self, function: Path) -> None:
        """`function` is about to be removed."""


@dataclass(frozen=True)
class ServedFolder:
    """Nothing to do: who serves the folder sees it change."""

    def publish(self, function: Path) -> None:
        """Nothing."""

    def unpublish(self, function: Path) -> None:
        """Nothing."""


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


DEPLOYMENTS: dict[str, Deployment] = {SERVE: ServedFolder(), NUCTL: Nuctl()}
