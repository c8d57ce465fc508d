"""Models: which there are, which version CVAT sees, and how that is changed."""

from starlette.responses import Response

from builder.errors import BuildError
from preannotate.registry.errors import WorkspaceError
from preannotate.studio.models import ModelSummary
from preannotate.studio.web.charts import sparkline
from preannotate.studio.web.visit import PageError, Visit, go_to

_RUNS = 10


def show_all(visit: Visit) -> Response:
    """All models."""
    models = visit.studio.models.list()
    return visit.page("models.html", models=[(model, _spark(model)) for model in models])


def show(visit: Visit) -> Response:
    """One model with its versions."""
    model = find(visit)
    shown = next((version for version in model.versions if version.number == model.shown), None)
    return visit.page(
        "model.html",
        model=model,
        shown=shown,
        spark=_spark(model),
        runs=visit.studio.queue.list(model_name=model.name, limit=_RUNS),
        source=_source(visit, model),
    )


def publish(visit: Visit) -> Response:
    """Let CVAT see a version."""
    model = find(visit)
    version = next(iter(visit.numbers("version")), 0)
    visit.studio.models.publish(model.name, version, deploy=model.deploy or "serve")
    return go_to(f"/models/{model.name}", done="published")


def ask_unpublish(visit: Visit) -> Response:
    """Really?"""
    model = find(visit)
    return visit.page(
        "confirm.html",
        title=f"Take {model.name} away from CVAT?",
        text="It disappears from CVAT's Models page, and people who annotate with it cannot go on. Its versions stay "
        "here and can be published again.",
        action=f"/models/{model.name}/unpublish",
        button="Take it away",
        back=f"/models/{model.name}",
    )


def unpublish(visit: Visit) -> Response:
    """Take it away from CVAT."""
    model = find(visit)
    visit.studio.models.unpublish(model.name)
    return go_to(f"/models/{model.name}", done="unpublished")


def roll_back(visit: Visit) -> Response:
    """Let CVAT see the version from before."""
    model = find(visit)
    visit.studio.models.roll_back(model.name)
    return go_to(f"/models/{model.name}", done="rolled-back")


def find(visit: Visit) -> ModelSummary:
    """The model that the address names.

    Raises:
        PageError: There is none of that name.
    """
    try:
        return visit.studio.models.get(visit.path("name"))
    except (WorkspaceError, BuildError) as error:
        name = visit.path("name")[:80]
        raise PageError(
            404, "No such model", f"{name!r}: no such model; expected one of the list of models."
        ) from error


def _source(visit: Visit, model: ModelSummary) -> dict[str, int]:
    """Server and task from which it learnt last, for an address; empty if they are not known here."""
    url, tasks = model.asked.get("cvat"), model.asked.get("tasks") or []
    server = next((one for one in visit.studio.servers.list() if one.url == url), None)
    return {"server": server.id, "task": tasks[0]} if server is not None and tasks else {}


def _spark(model: ModelSummary) -> str:
    scores = [version.map50 for version in reversed(model.versions) if version.complete and version.map50 is not None]
    return sparkline(scores) if len(scores) > 1 else ""
