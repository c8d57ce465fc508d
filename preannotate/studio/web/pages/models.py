"""Models and their versions: lists, publication, reports, detections and thresholds."""

from pathlib import Path

from starlette.responses import FileResponse, Response

from builder.errors import BuildError
from preannotate.registry.publication import Deploy
from preannotate.registry.workspace import WorkspaceError
from preannotate.studio.errors import PageError
from preannotate.studio.models import ModelSummary, VersionSummary
from preannotate.studio.web.access.headers import REPORT_POLICY
from preannotate.studio.web.charts import sparkline
from preannotate.studio.web.page_request import Form, PageRequest, found_or_404, go_to

_RUNS = 10
# Before the names of labels, which may be anything.
PREFIX = "label-"


def show_all(request: PageRequest) -> Response:
    """All models."""
    models = request.services.models.list()
    return request.page("models.html", models=[(model, _spark(model)) for model in models])


def show(request: PageRequest) -> Response:
    """One model with its versions."""
    model = find(request)
    return request.page(
        "model.html",
        model=model,
        shown=model.version(model.shown),
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
        button="Unpublish",
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
    """Return the model that the URL names; a PageError 404 if there is none."""
    try:
        return request.services.models.get(request.path("name"))
    except (WorkspaceError, BuildError) as error:
        sentence = f"{request.path('name')[:80]!r}: no such model; expected one from the list of models."
        raise PageError(404, "Model not found", sentence) from error


def _source(request: PageRequest, model: ModelSummary) -> dict[str, int]:
    """Return server and task of its last training, for a URL; empty if the studio has no such server."""
    last = model.last_request
    url, tasks = (last.cvat, last.tasks) if last is not None else (None, ())
    server = next((one for one in request.services.servers.list() if one.url == url), None)
    return {"server": server.id, "task": tasks[0]} if server is not None and tasks else {}


def _spark(model: ModelSummary) -> str:
    scores = [version.map50 for version in reversed(model.versions) if version.complete and version.map50 is not None]
    return sparkline(scores) if len(scores) > 1 else ""


def show_version(request: PageRequest) -> Response:
    """Show a version."""
    model, version = _find_version(request)
    values = {PREFIX + str(place): f"{model.thresholds.get(label, 0):.3f}" for place, label in enumerate(model.labels)}
    return _page(request, model, version, Form(values))


def report(request: PageRequest) -> Response:
    """Show the report in a frame, below the navigation."""
    model, version = _find_version(request)
    _report_file(request, model, version)
    return request.page("report.html", model=model, version=version)


def report_file(request: PageRequest) -> Response:
    """Return the report itself, in an origin of its own, without scripts and forms."""
    path = _report_file(request, *_find_version(request))
    return FileResponse(path, media_type="text/html", headers={"content-security-policy": REPORT_POLICY})


def overlay(request: PageRequest) -> Response:
    """Return an image with detections."""
    model, version = _find_version(request)
    find_picture = request.services.models.overlay
    path = found_or_404("Image not found", find_picture, model.name, version.number, request.path("picture"))
    return FileResponse(
        path, media_type="image/jpeg", headers={"content-security-policy": "default-src 'none'; sandbox"}
    )


def set_threshold(request: PageRequest) -> Response:
    """Change the thresholds of the labels."""
    model, version = _find_version(request)
    form = Form.submitted(request, [PREFIX + str(place) for place in range(len(model.labels))])
    values = {
        label: form.fraction(PREFIX + str(place), f"Threshold of {label}") for place, label in enumerate(model.labels)
    }
    if not form.errors:
        with form.errors_at(""):
            request.services.models.set_threshold(model.name, version.number, values)
            return go_to(f"/models/{model.name}/versions/{version.number}", done="threshold")
    return _page(request, model, version, form, 422)


def _page(
    request: PageRequest, model: ModelSummary, version: VersionSummary, form: Form, status: int = 200
) -> Response:
    return request.page(
        "version.html",
        status,
        model=model,
        version=version,
        pictures=[path.name for path in request.services.models.overlays(model.name, version.number)],
        # Thresholds and proof are known of the version that the model shows.
        is_shown=version.number == model.shown,
        labels=[(PREFIX + str(place), label) for place, label in enumerate(model.labels)],
        form=form,
    )


def _find_version(request: PageRequest) -> tuple[ModelSummary, VersionSummary]:
    model = find(request)
    number = request.number("version")
    if (version := model.version(number)) is not None:
        return model, version
    raise PageError(404, "Version not found", f"{model.name}: no version {number}; expected one that its page lists.")


def _report_file(request: PageRequest, model: ModelSummary, version: VersionSummary) -> Path:
    return found_or_404("Report not found", request.services.models.report_file, model.name, version.number)
