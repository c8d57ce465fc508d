"""A default name for a model: that of its task or project, in a spelling that CVAT and nuclio accept."""

import re
import unicodedata

from builder.errors import BuildError
from builder.function_yaml import check_name
from preannotate.cvat.server import Server
from preannotate.pipeline.errors import PipelineError
from preannotate.pipeline.run_request import RunRequest, read_run_request
from preannotate.registry.workspace import Workspace

_LONGEST = 40  # nuclio takes 52, and a number may follow


def name_for(server: Server, workspace: Workspace, request: RunRequest) -> str:
    """Return the name of an earlier run over the same source, or a free one.

    Args:
        server: Knows the names of tasks and projects.
        workspace: With the models that there are.
        request: Whose first project, task or job gives the name.

    Raises:
        CvatError: The server does not have that project, task or job.
        PipelineError: The possible names belong to other models.
    """
    title, number = _title(server, request)
    plain = slug(title)
    candidates = [name for name in (plain, f"{plain}-{number}" if plain else f"task-{number}") if _possible(name)]
    for name in candidates:
        kept = read_run_request(workspace.model(name).run_request)
        if kept is None or kept.source == request.source:
            return name
    raise PipelineError(
        f"{workspace.path}: {' and '.join(map(repr, candidates))} are models of other tasks; expected a free name. "
        f"Choose one with --name, or continue one of these models with --name."
    )


def slug(title: str) -> str:
    """Return a title in lower-case letters, digits and hyphens; "" if nothing is left."""
    ascii_only = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", ascii_only)[:_LONGEST].strip("-")


def _possible(name: str) -> bool:
    try:
        check_name(name)
    except BuildError:
        return False
    return True


def _title(server: Server, request: RunRequest) -> tuple[str, int]:
    if request.projects:
        return str(server.project(request.projects[0])["name"]), request.projects[0]
    number = request.tasks[0] if request.tasks else int(server.job(request.jobs[0])["task_id"])
    return str(server.task(number)["name"]), number
