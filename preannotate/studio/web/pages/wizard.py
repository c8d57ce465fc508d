"""A new annotation model, the first three steps: server, tasks, model; the URL holds the choices so far."""

import re

from starlette.responses import Response

from preannotate.cvat.errors import CvatError
from preannotate.studio.list_rows import ListPage, TaskSummary
from preannotate.studio.recommendations import Sufficiency, assess_annotations, model_choices
from preannotate.studio.servers import SavedServer
from preannotate.studio.web.forms import Form
from preannotate.studio.web.page_request import PageRequest, go_to
from preannotate.studio.web.pages.servers import empty_form, profiles
from preannotate.studio.web.wizard_state import IMAGENET, WizardState, saved_server, selected_annotations
from preannotate.studio.web.wizard_state import NONE as RANDOM

# "12", "#12", and the URL of a task or of one of its jobs.
_NUMBER = re.compile(r"#?(\d{1,12})")
_URL = re.compile(r"https?://[^?#]*/tasks/(\d{1,12})(?:[/?#]|$)")


def choose_server(request: PageRequest) -> Response:
    """Show the first step, which is skipped if there is only one server."""
    servers = request.services.servers.list()
    name = request.query("name")
    if len(servers) == 1 and not request.query("choose"):
        return go_to("/new/tasks", server=servers[0].id, **({"name": name} if name else {}))
    return request.page("wizard_server.html", servers=servers, form=empty_form(), profiles=profiles(request), name=name)


def choose_tasks(request: PageRequest) -> Response:
    """Show the second step: a list of tasks with a search."""
    state = WizardState.read(request)
    server = saved_server(request, state.server)
    search, project = request.query("search"), request.query_number("project")
    page = request.query_number("page") or 1
    problem, projects, found = "", None, None
    try:
        projects = request.services.catalogue.projects(server.id)
        found = _find_task(request, server, search) or request.services.catalogue.tasks(
            server.id, project=project, search=search, page=page
        )
    except CvatError as error:
        problem = str(error)
    on_page = {task.id for task in found.entries} if found else set()
    return request.page(
        "wizard_tasks.html",
        502 if problem else 200,
        server=server,
        several=len(request.services.servers.list()) > 1,
        state=state,
        elsewhere=[number for number in state.tasks if number not in on_page],
        projects=projects,
        found=found,
        search=search,
        project=project,
        problem=problem,
    )


def choose_model(request: PageRequest) -> Response:
    """Show the third step: whether the annotations are enough, the models, and the initial weights."""
    state = WizardState.read(request)
    server = saved_server(request, state.server)
    detail = selected_annotations(request, state)
    assessment = assess_annotations(detail)
    choices = [] if assessment.level == Sufficiency.TOO_FEW else model_choices(detail, base_model=_base_model(state))
    names = [choice.name for choice in choices]
    recommended = next((choice.name for choice in choices if choice.recommended), names[0] if names else "")
    return request.page(
        "wizard_model.html",
        server=server,
        state=state,
        detail=detail,
        assessment=assessment,
        refused=assessment.level == Sufficiency.TOO_FEW,
        choices=choices,
        model=state.model if state.model in names else recommended,
        versions=finished_versions(request),
        files_anywhere=request.app.files_anywhere,
        form=Form.initial(base=state.base, base_version=state.base_version, base_file=state.base_file),
    )


def _find_task(request: PageRequest, server: SavedServer, search: str) -> ListPage[TaskSummary] | None:
    """Return the task whose number or URL is the search text; None if there is no such task."""
    match = _NUMBER.fullmatch(search) or (_URL.match(search) if search.startswith(f"{server.url}/") else None)
    if match is None:
        return None
    try:
        return ListPage((request.services.catalogue.summary(server.id, int(match[1])),), 1, 1, 1)
    except CvatError:  # the name of a task may be a number, too
        return None


def finished_versions(request: PageRequest) -> list[tuple[str, str]]:
    """Return (value, text) of all finished versions, for a list."""
    return [
        (f"{model.name}/{version.number}", f"{model.name}, version {version.number} ({version.model})")
        for model in request.services.models.list()
        for version in model.versions
        if version.complete
    ]


def _base_model(state: WizardState) -> str:
    return "none" if state.base == RANDOM else IMAGENET
