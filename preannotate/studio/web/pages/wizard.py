"""A new annotation model, the first three steps: server, tasks, model; the URL holds the choices so far."""

import re
from dataclasses import dataclass, replace
from typing import Any

from starlette.responses import Response

from preannotate.cvat.errors import CvatError
from preannotate.studio.catalogue import ListPage, TaskDetail, TaskSummary
from preannotate.studio.errors import PageError, StudioError
from preannotate.studio.recommendations import Sufficiency, assess_annotations, model_choices
from preannotate.studio.servers import SavedServer
from preannotate.studio.web.page_request import Form, PageRequest, go_to
from preannotate.studio.web.pages.servers import empty_form, profiles

IMAGENET, NONE, VERSION, FILE = "imagenet", "none", "version", "file"
BASES = (IMAGENET, NONE, VERSION, FILE)
# More do not fit into a URL.
MOST_TASKS = 100


@dataclass(frozen=True)
class WizardState:
    """The choices of the steps so far.

    Attributes:
        server: Id of a saved server.
        tasks: Numbers on the server.
        projects: Ids of whole projects on the server.
        model: Name of the network; "" before it is chosen.
        base: One of `BASES`.
        base_version: NAME/NUMBER of a version, for `VERSION`.
        base_file: A file or folder, for `FILE`.
        name: Of an annotation model that gets another version; "" for a new one.
        arguments: As text, of a run that is ordered again.
    """

    server: int
    tasks: tuple[int, ...] = ()
    projects: tuple[int, ...] = ()
    model: str = ""
    base: str = IMAGENET
    base_version: str = ""
    base_file: str = ""
    name: str = ""
    arguments: str = ""

    @classmethod
    def read(cls, request: PageRequest) -> "WizardState":
        """Read it from the form of a POST request, else from the URL."""
        numbers, text = (request.numbers, request.field) if request.form else (request.query_numbers, request.query)
        server = next(iter(numbers("server")), 0)
        base = text("base")
        return cls(
            server,
            numbers("task")[:MOST_TASKS],
            numbers("whole")[:1],
            text("model"),
            base if base in BASES else IMAGENET,
            text("base_version"),
            text("base_file"),
            text("name"),
            text("arguments"),
        )

    def query(self, **changes: Any) -> dict[str, Any]:
        """Return the fields of an address; what is not decided is left out."""
        one = replace(self, **changes) if changes else self
        pairs = {
            "server": one.server, "task": list(one.tasks), "whole": list(one.projects), "model": one.model,
            "base": "" if one.base == IMAGENET else one.base, "base_version": one.base_version,
            "base_file": one.base_file, "name": one.name, "arguments": one.arguments,
        }  # fmt: skip
        return {name: value for name, value in pairs.items() if value}

    def hidden(self, *names: str) -> list[tuple[str, Any]]:
        """Return (name, value) of hidden fields of a form; only of `names` if any are given."""
        pairs = []
        for name, value in self.query().items():
            if not names or name in names:
                pairs += [(name, one) for one in value] if isinstance(value, list) else [(name, value)]
        return pairs


def saved_server(request: PageRequest, number: int | None) -> SavedServer:
    """Return a saved server.

    Raises:
        PageError: There is no such server.
    """
    try:
        return request.services.servers.get(number or 0)
    except StudioError as error:
        raise PageError(404, "Server not found", str(error)) from error


def selected_annotations(request: PageRequest, state: WizardState) -> TaskDetail:
    """Return what a training would use of the chosen tasks.

    Raises:
        PageError: No task is chosen.
        CvatError: The server does not answer.
    """
    if not state.tasks and not state.projects:
        raise PageError(
            400,
            "No task is chosen yet",
            "No task is chosen; expected at least one. Go back and select the tasks to train on.",
        )
    if len(state.tasks) == 1 and not state.projects:
        return request.services.catalogue.task(state.server, state.tasks[0])
    return request.services.catalogue.tasks_detail(state.server, state.tasks, state.projects)


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
    return "none" if state.base == NONE else IMAGENET
