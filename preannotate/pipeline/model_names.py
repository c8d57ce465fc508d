"""A name for a model that nobody named: that of its task or project, as CVAT and nuclio can take it."""

import re
import unicodedata

from builder.errors import BuildError
from builder.function_yaml import check_name
from preannotate.cvat.server import Server
from preannotate.pipeline import run_request as asking
from preannotate.pipeline.run_request import Asked
from preannotate.registry.errors import WorkspaceError
from preannotate.registry.workspace import Workspace

_LONGEST = 40  # nuclio takes 52, and a number may follow


def name_for(server: Server, workspace: Workspace, asked: Asked) -> str:
    """The name of an earlier run over the same source, or a free one.

    Args:
        server: Knows the names of tasks and projects.
        workspace: With the models that there are.
        asked: By whom the first project, task or job is named.

    Raises:
        CvatError: The server does not know what is asked for.
        WorkspaceError: The names that come into question belong to other models.
    """
    title, number = _title(server, asked)
    plain = slug(title)
    candidates = [name for name in (plain, f"{plain}-{number}" if plain else f"task-{number}") if _possible(name)]
    for name in candidates:
        kept = asking.read(workspace.model(name).asked)
        if kept is None or kept.source == asked.source:
            return name
    raise WorkspaceError(
        f"{workspace.path}: {' and '.join(map(repr, candidates))} are models of other tasks; expected a free name. "
        f"Give it one with --name, or that of the model which shall go on."
    )


def slug(title: str) -> str:
    """Lower-case letters, digits and hyphens; "" if nothing is left."""
    ascii_only = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", ascii_only)[:_LONGEST].strip("-")


def _possible(name: str) -> bool:
    try:
        check_name(name)
    except BuildError:
        return False
    return True


def _title(server: Server, asked: Asked) -> tuple[str, int]:
    if asked.projects:
        return str(server.project(asked.projects[0])["name"]), asked.projects[0]
    number = asked.tasks[0] if asked.tasks else int(server.job(asked.jobs[0])["task_id"])
    return str(server.task(number)["name"]), number
