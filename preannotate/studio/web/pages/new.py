"""A new annotation model, the first three steps: server, tasks, model. What is chosen stands in the address."""

import re

from starlette.responses import Response

from preannotate.cvat.errors import CvatError
from preannotate.studio.catalogue import Page, TaskSummary
from preannotate.studio.recommendations import NONE as NOT_ENOUGH
from preannotate.studio.recommendations import advice, model_choices
from preannotate.studio.servers import SavedServer
from preannotate.studio.web.forms import Form
from preannotate.studio.web.pages.servers import empty_form, profiles
from preannotate.studio.web.visit import Visit, go_to
from preannotate.studio.web.wizard_state import IMAGENET, Chosen, looked_at, saved_server
from preannotate.studio.web.wizard_state import NONE as RANDOM

# "12", "#12", and the address of a task or of one of its jobs.
_NUMBER = re.compile(r"#?(\d{1,12})")
_ADDRESS = re.compile(r"https?://[^?#]*/tasks/(\d{1,12})(?:[/?#]|$)")


def choose_server(visit: Visit) -> Response:
    """The first step; passed over where there is one server."""
    servers = visit.studio.servers.list()
    name = visit.query("name")
    if len(servers) == 1 and not visit.query("choose"):
        return go_to("/new/tasks", server=servers[0].id, **({"name": name} if name else {}))
    return visit.page("new_server.html", servers=servers, form=empty_form(), profiles=profiles(visit), name=name)


def choose_tasks(visit: Visit) -> Response:
    """The second step: a list with a search."""
    chosen = Chosen.read(visit)
    server = saved_server(visit, chosen.server)
    search, project = visit.query("search"), visit.query_number("project")
    page = visit.query_number("page") or 1
    problem, projects, found = "", None, None
    try:
        projects = visit.studio.catalogue.projects(server.id)
        found = _named(visit, server, search) or visit.studio.catalogue.tasks(
            server.id, project=project, search=search, page=page
        )
    except CvatError as error:
        problem = str(error)
    on_page = {task.id for task in found.entries} if found else set()
    return visit.page(
        "new_tasks.html",
        502 if problem else 200,
        server=server,
        several=len(visit.studio.servers.list()) > 1,
        chosen=chosen,
        elsewhere=[number for number in chosen.tasks if number not in on_page],
        projects=projects,
        found=found,
        search=search,
        project=project,
        problem=problem,
    )


def choose_model(visit: Visit) -> Response:
    """The third step: what the annotations are good for, and which network learns from them."""
    chosen = Chosen.read(visit)
    server = saved_server(visit, chosen.server)
    detail = looked_at(visit, chosen)
    judged = advice(detail)
    choices = [] if judged.level == NOT_ENOUGH else model_choices(detail, base_model=_weights(chosen))
    names = [choice.name for choice in choices]
    recommended = next((choice.name for choice in choices if choice.recommended), names[0] if names else "")
    return visit.page(
        "new_model.html",
        server=server,
        chosen=chosen,
        detail=detail,
        advice=judged,
        refused=judged.level == NOT_ENOUGH,
        choices=choices,
        model=chosen.model if chosen.model in names else recommended,
        versions=versions_to_go_on_from(visit),
        files_anywhere=visit.site.files_anywhere,
        form=Form.of(base=chosen.base, base_version=chosen.base_version, base_file=chosen.base_file),
    )


def _named(visit: Visit, server: SavedServer, search: str) -> Page[TaskSummary] | None:
    """The task whose number or address somebody pasted; None if it is neither, or there is none."""
    match = _NUMBER.fullmatch(search) or (_ADDRESS.match(search) if search.startswith(f"{server.url}/") else None)
    if match is None:
        return None
    try:
        return Page((visit.studio.catalogue.task(server.id, int(match[1])).summary,), 1, 1, 1)
    except CvatError:  # a name may be a number, too
        return None


def versions_to_go_on_from(visit: Visit) -> list[tuple[str, str]]:
    """(value, text) of all finished versions, for a list."""
    return [
        (f"{model.name}/{version.number}", f"{model.name}, version {version.number} ({version.model})")
        for model in visit.studio.models.list()
        for version in model.versions
        if version.complete
    ]


def _weights(chosen: Chosen) -> str:
    return "none" if chosen.base == RANDOM else IMAGENET
