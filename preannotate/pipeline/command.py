"""What the loop's commands do around the recipe: lock, log in, and say what came of it."""

import functools
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from preannotate.core.child_process import CheckFailedError, sigterm_interrupts
from preannotate.cvat.login import check_sdk
from preannotate.pipeline import run_request as asking
from preannotate.pipeline.kubernetes import KubernetesCluster
from preannotate.pipeline.run_request import PREVIOUS, Asked
from preannotate.registry import publication
from preannotate.registry.errors import WorkspaceError
from preannotate.registry.listing import as_json as listed_as_json
from preannotate.registry.listing import as_table
from preannotate.registry.workspace import Workspace
from trainer.arguments import read_arguments

NOT_BETTER = CHECK_FAILED = 1


def run(folder: Path, name: str | None, said: Mapping[str, Any], *, restart: bool, seconds: float) -> int:
    """From tasks to a published function; returns the exit code.

    Args:
        folder: The workspace.
        name: Of the model; None takes one from CVAT.
        said: On the command line; see `asked.merge`.
        restart: Train anew.
        seconds: How long to wait until CVAT lists the function.

    Raises:
        PreannotateError: Something could not run.
    """
    if seconds < 0:
        raise WorkspaceError(f"--wait: {seconds:g}; expected a number from 0 on. Choose another.")
    workspace = Workspace(folder)
    kept = asking.read(workspace.model(name).asked) if name is not None else None
    asked = asking.merge(kept, said)
    _check(asked, folder)
    check_sdk("run")
    from preannotate.cvat.connection import connect
    from preannotate.cvat.login import Login
    from preannotate.pipeline.model_names import name_for
    from preannotate.pipeline.run import Pipeline

    login = functools.cache(lambda: connect(Login(**asked.login)))
    with sigterm_interrupts():
        try:
            if name is None:
                server = login()
                name = name_for(server, workspace, asked)
            model = workspace.model(name)
            with model.locked() as held:
                asking.write(model.asked, asking.to_keep(kept, asked, said))
                outcome = Pipeline(workspace, model, asked, login, restart, seconds, held, _say).run()
        except CheckFailedError as error:
            print(f"error: {error}", file=sys.stderr)
            return CHECK_FAILED
        except KeyboardInterrupt:
            print("stopped; the same command goes on where it stopped", file=sys.stderr)
            raise
    number = outcome.version.number
    if outcome.refused:
        print(f"not published: {outcome.refused}", file=sys.stderr)
        return NOT_BETTER
    where = f"published from {workspace.functions}" if outcome.published else f"in {outcome.version.function}"
    print(f"done: version {number} of {name}, mAP50 {outcome.version.record()['map50']:.3f}, {where}")
    return 0


def publish(folder: Path, name: str, number: int, deploy: str) -> int:
    """Let CVAT see a version; returns the exit code."""
    workspace = Workspace(folder)
    with workspace.existing(name).locked():
        version = publication.publish(workspace, name, number, deploy=deploy)
    print(f"{name}: version {version.number} is published")
    return 0


def unpublish(folder: Path, name: str) -> int:
    """Take a model away from CVAT; returns the exit code."""
    workspace = Workspace(folder)
    with workspace.existing(name).locked():
        publication.unpublish(workspace, name)
    print(f"{name}: is not published any more; its versions are kept")
    return 0


def roll_back(folder: Path, name: str) -> int:
    """Publish the version before; returns the exit code."""
    workspace = Workspace(folder)
    with workspace.existing(name).locked():
        version = publication.roll_back(workspace, name)
    print(f"{name}: version {version.number} is published again")
    return 0


def versions(folder: Path, name: str | None, *, as_json: bool) -> int:
    """List models and versions; returns the exit code."""
    workspace = Workspace(folder)
    models = [workspace.existing(name)] if name is not None else workspace.models()
    print(listed_as_json(models) if as_json else as_table(models))
    return 0


def _check(asked: Asked, folder: Path) -> None:
    """What can be refused before anything is asked of CVAT."""
    read_arguments(None, asked.arguments, [])
    base = asked.base_model
    if base != PREVIOUS and "/" in base and not Path(base).exists():
        raise WorkspaceError(f"--base-model: {base!r} is not there; expected a file of weights or the folder of a run.")
    if asked.kubernetes and not (where := KubernetesCluster.parse(asked.kubernetes)).holds(folder):
        raise WorkspaceError(
            f"--kubernetes: {folder} is not on the volume; expected a workspace below {where.mount}, where both this "
            f"machine and the pods have it. Name it with --workspace, or the place of the volume with mount=."
        )


def _say(line: str) -> None:
    print(line, flush=True)
