"""A new annotation model, the first three steps: server, tasks, model; the URL holds the choices so far."""

import itertools
import re
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from starlette.responses import Response

from preannotate.cvat.errors import CvatError
from preannotate.pipeline.run_request import slug
from preannotate.studio.catalogue import TaskDetail, TaskPage
from preannotate.studio.errors import PageError
from preannotate.studio.ready_models import ReadyModel, find_ready_model
from preannotate.studio.recommendations import Sufficiency, advise_outlines, assess_annotations, model_choices
from preannotate.studio.servers import SavedServer
from preannotate.studio.web.page_request import Form, PageRequest, go_to
from preannotate.studio.web.pages.servers import empty_form, profiles, saved_server
from trainer.arguments import parse_arguments
from trainer.config import Overrides
from trainer.errors import TrainingError
from trainer.request import AUTO

# More do not fit into a URL.
MOST_TASKS = 100
# "12", "#12", and the URL of a task or of one of its jobs.
_NUMBER = re.compile(r"#?(\d{1,12})")
_URL = re.compile(r"https?://[^?#]*/tasks/(\d{1,12})(?:[/?#]|$)")
_TEXTS = ("model", "base_version", "base_file", "name", "arguments")


class InitialWeights(StrEnum):
    """What training starts from."""

    AUTO = "auto"  # published weights of the model
    NONE = "none"  # random weights
    VERSION = "version"
    FILE = "file"


@dataclass(frozen=True)
class WizardState:
    """The choices of the steps so far, as they stand in the URL; a text is "" while it is not chosen.

    Attributes:
        server: Id of a saved server.
        tasks: Numbers on the server.
        projects: Ids of whole projects on the server.
        model: Name of the network, or "auto".
        base_version: NAME/NUMBER of a version, for `InitialWeights.VERSION`.
        base_file: A file or folder, for `InitialWeights.FILE`.
        name: Of the model that gets another version.
        arguments: Of an earlier run that is trained again, as text.
    """

    server: int
    tasks: tuple[int, ...] = ()
    projects: tuple[int, ...] = ()
    model: str = ""
    base: InitialWeights = InitialWeights.AUTO
    base_version: str = ""
    base_file: str = ""
    name: str = ""
    arguments: str = ""

    @classmethod
    def read(cls, request: PageRequest) -> "WizardState":
        """Read it from the form of a POST request, else from the URL."""
        numbers, text = (request.numbers, request.field) if request.form else (request.query_numbers, request.query)
        base = text("base")
        return cls(
            server=next(iter(numbers("server")), 0),
            tasks=numbers("task")[:MOST_TASKS],
            projects=numbers("whole")[:1],
            base=InitialWeights(base) if base in tuple(InitialWeights) else InitialWeights.AUTO,
            **{name: text(name) for name in _TEXTS},
        )

    @property
    def base_weights(self) -> str:
        """The weights of the network before training, for defaults: "auto" or "none"."""
        return InitialWeights.NONE if self.base == InitialWeights.NONE else InitialWeights.AUTO

    @property
    def overrides(self) -> Overrides:
        """The arguments by name, for estimates; none if the text has an error, which the last step shows."""
        try:
            return parse_arguments(self.arguments)
        except TrainingError:
            return {}

    def query(self, **changes: Any) -> dict[str, Any]:
        """Return the parameters of a URL with these choices; those that are not chosen are left out."""
        state = replace(self, **changes)
        pairs = {"server": state.server, "task": list(state.tasks), "whole": list(state.projects)}
        pairs |= {"base": "" if state.base == InitialWeights.AUTO else state.base}
        pairs |= {name: getattr(state, name) for name in _TEXTS}
        return {name: value for name, value in pairs.items() if value}

    def hidden(self, *names: str) -> list[tuple[str, Any]]:
        """Return (name, value) of hidden fields of a form; only of `names` if any are given."""
        return [
            (name, value)
            for name, values in self.query().items()
            if not names or name in names
            for value in (values if isinstance(values, list) else [values])
        ]


def selected_annotations(request: PageRequest, state: WizardState) -> TaskDetail:
    """Return what a training would use of the chosen tasks.

    Raises:
        PageError: No task is chosen.
        CvatError: The server does not answer.
    """
    if not state.tasks and not state.projects:
        sentence = "No task is chosen; expected at least one. Go back and select the tasks to train on."
        raise PageError(400, "No task is chosen yet", sentence)
    return request.services.catalogue.detail(state.server, state.tasks, state.projects)


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
    problem, projects, found = None, None, None
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
    refused = assessment.level == Sufficiency.TOO_FEW
    choices = [] if refused else model_choices(detail, base_model=state.base_weights, overrides=state.overrides)
    names = [choice.name for choice in choices]
    return request.page(
        "wizard_model.html",
        server=server,
        state=state,
        detail=detail,
        assessment=assessment,
        refused=refused,
        choices=choices,
        outlines=advise_outlines(detail),
        ready=_ready_model(request, detail),
        model=state.model if state.model in names else AUTO,
        versions=finished_versions(request),
        files_anywhere=request.app.files_anywhere,
        form=Form.initial(base=state.base, base_version=state.base_version, base_file=state.base_file),
    )


def _ready_model(request: PageRequest, detail: TaskDetail) -> ReadyModel | None:
    """Return what could draw the first boxes; None if the model that a training would make is there already."""
    name = suggested_name(detail, set())
    if any(model.name == name for model in request.services.models.list()):
        return None
    return find_ready_model(detail.labels, name)


def _find_task(request: PageRequest, server: SavedServer, search: str) -> TaskPage | None:
    """Return the task whose number or URL is the search text; None if there is no such task."""
    match = _NUMBER.fullmatch(search) or (_URL.match(search) if search.startswith(f"{server.url}/") else None)
    if match is None:
        return None
    try:
        return TaskPage((request.services.catalogue.summary(server.id, int(match[1])),), 1, 1, 1)
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


def suggested_name(detail: TaskDetail, taken: set[str]) -> str:
    """Return a name that CVAT and nuclio accept, from that of the project or the task, and not in `taken`."""
    task = detail.summary
    name = (task and (slug(task.project or task.name) or f"task-{task.id}")) or "model"
    names = (name if number == 1 else f"{name}-{number}" for number in itertools.count(1))
    return next(one for one in names if one not in taken)
