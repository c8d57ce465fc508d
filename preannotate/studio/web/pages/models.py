"""Models: the list, one model, and publishing its versions."""

from starlette.responses import Response

from builder.errors import BuildError
from preannotate.registry.deployment import Deploy
from preannotate.registry.errors import WorkspaceError
from preannotate.studio.errors import PageError
from preannotate.studio.models import ModelSummary
from preannotate.studio.web.charts import sparkline
from preannotate.studio.web.page_request import PageRequest, go_to

_RUNS = 10


def show_all(request: PageRequest) -> Response:
    """All models."""
    models = request.services.models.list()
    return request.page("models.html", models=[(model, _spark(model)) for model in models])


def show(request: PageRequest) -> Response:
    """One model with its versions."""
    model = find(request)
    shown = next((version for version in model.versions if version.number == model.shown), None)
    return request.page(
        "model.html",
        model=model,
        shown=shown,
        spark=_spark(model),
        runs=request.services.queue.list(model_name=model.name, limit=_RUNS),
        source=_source(request, model),
    )


def publish(request: PageRequest) -> Response:
    """Publish a version."""
    model = find(request)
    version = next(iter(request.numbers("version")), 0)
    request.services.models.publish(model.name, version, deploy=model.deploy or Deploy.SERVE)
    return go_to(f"/models/{model.name}", done="published")


def ask_unpublish(request: PageRequest) -> Response:
    """Ask for confirmation."""
    model = find(request)
    return request.confirm(
        f"Unpublish {model.name}?",
        "The model disappears from CVAT's Models page, and annotators can no longer use it. Its versions are kept "
        "and can be published again.",
        action=f"/models/{model.name}/unpublish",
        button="Unpublish",
        back=f"/models/{model.name}",
    )


def unpublish(request: PageRequest) -> Response:
    """Unpublish the model."""
    model = find(request)
    request.services.models.unpublish(model.name)
    return go_to(f"/models/{model.name}", done="unpublished")


def roll_back(request: PageRequest) -> Response:
    """Publish the previous version again."""
    model = find(request)
    request.services.models.roll_back(model.name)
    return go_to(f"/models/{model.name}", done="rolled-back")


def find(request: PageRequest) -> ModelSummary:
    """The model that the address names.

    Raises:
        PageError: There is none of that name.
    """
    try:
        return request.services.models.get(request.path("name"))
    except (WorkspaceError, BuildError) as error:
        name = request.path("name")[:80]
        raise PageError(
            404, "Model not found", f"{name!r}: no such model; expected one from the list of models."
        ) from error


def _source(request: PageRequest, model: ModelSummary) -> dict[str, int]:
    """Server and task from which it learnt last, for an address; empty if they are not known here."""
    last = model.last_request
    url, tasks = (last.cvat, last.tasks) if last is not None else (None, ())
    server = next((one for one in request.services.servers.list() if one.url == url), None)
    return {"server": server.id, "task": tasks[0]} if server is not None and tasks else {}


def _spark(model: ModelSummary) -> str:
    scores = [version.map50 for version in reversed(model.versions) if version.complete and version.map50 is not None]
    return sparkline(scores) if len(scores) > 1 else ""
