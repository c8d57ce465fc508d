"""Runs of a finished model on a task: annotate remaining frames, review annotations, rank frames."""

from typing import Any

from starlette.responses import Response

from preannotate.core.errors import PreannotateError
from preannotate.cvat.errors import CvatError
from preannotate.jobs.queue import RunSource
from preannotate.jobs.task_request import OPTIONS, RunKind, TaskRequest
from preannotate.pipeline.errors import RunRequestError
from preannotate.studio.errors import PageError
from preannotate.studio.machines import CPU
from preannotate.studio.models import ModelSummary
from preannotate.studio.web.page_request import Form, PageRequest, go_to
from preannotate.studio.web.pages import models

_CHECKBOXES = ("annotated_frames", "completed_jobs", "issues")
FIELDS = {kind: tuple(name for name in names if name not in _CHECKBOXES) for kind, names in OPTIONS.items()}
CHECKBOXES = {kind: tuple(name for name in names if name in _CHECKBOXES) for kind, names in OPTIONS.items()}


def show(request: PageRequest) -> Response:
    """Choose a task."""
    model = _model(request)
    kind = _kind(request)
    form = Form.initial(**dict.fromkeys(FIELDS[kind], ""), **dict.fromkeys(CHECKBOXES[kind], False))
    return _page(request, model, kind, form)


def place(request: PageRequest) -> Response:
    """Add the run to the queue."""
    model, kind = _model(request), _kind(request)
    form = Form.submitted(request, FIELDS[kind], boxes=CHECKBOXES[kind])
    tasks, server = request.numbers("task"), next(iter(request.numbers("server")), 0)
    if len(tasks) != 1:
        form.add_error("task", "Task: none chosen; expected one from the list.")
    options = _options(form, kind)
    if not form.errors:
        try:
            task_request = TaskRequest(
                **vars(request.services.servers.access(server)),
                kind=kind,
                name=model.name,
                task=tasks[0],
                version=model.shown,
                **options,
            )
            number = request.services.queue.add(
                task_request,
                source=RunSource.STUDIO,
                server_id=server,
                machine=CPU,
                notify=request.checked("notify"),
            )
        except RunRequestError as error:
            form.add_error(error.field, f"{error.field.replace('_', ' ').capitalize()}: {error.problem}")
        except PreannotateError as error:
            form.add_error("", error)
        else:
            return go_to(f"/runs/{number}", done="started")
    return _page(request, model, kind, form, 422)


def _options(form: Form, kind: RunKind) -> dict[str, Any]:
    options: dict[str, Any] = {name: True for name in CHECKBOXES[kind] if form.values[name]}
    if form.values.get("threshold"):
        options["threshold"] = form.fraction("threshold", "Threshold", expected="a number from 0 to 1, or nothing")
    if form.values.get("top"):
        options["top"] = form.whole_number("top", "Frames", least=1, most=10_000)
    for name in ("confidence_attribute", "create_task"):
        if form.values.get(name):
            options[name] = form.values[name]
    return options


def _page(request: PageRequest, model: ModelSummary, kind: RunKind, form: Form, status: int = 200) -> Response:
    servers = request.services.servers.list()
    sent = bool(request.form)
    numbers = request.numbers if sent else request.query_numbers
    server = next((one for one in servers if one.id in numbers("server")), servers[0] if servers else None)
    search = request.field("search") if sent else request.query("search")
    page = request.query_number("page") or 1
    found, problem = None, None
    if server is not None:
        try:
            found = request.services.catalogue.tasks(server.id, search=search, page=page)
        except CvatError as error:
            problem = str(error)
    if problem and status == 200:
        status = 502
    return request.page(
        "use_model.html",
        status,
        model=model,
        kind=kind,
        form=form,
        servers=servers,
        server=server,
        search=search,
        found=found,
        problem=problem,
        task=next(iter(numbers("task")), None),
        can_notify=request.services.settings.can_notify,
    )


def _kind(request: PageRequest) -> RunKind:
    kind = request.path("kind")
    if kind not in tuple(OPTIONS):
        sentence = f"{kind[:80]!r}: no such page of a model; expected one of: {', '.join(OPTIONS)}."
        raise PageError(404, "Page not found", sentence)
    return RunKind(kind)


def _model(request: PageRequest) -> ModelSummary:
    model = models.find(request)
    if model.shown is None:
        sentence = f"{model.name}: no finished version; expected one. Train the model first."
        raise PageError(409, "No finished version", sentence)
    return model
