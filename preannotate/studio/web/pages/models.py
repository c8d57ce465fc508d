"""Models and their versions: lists, publication, reports, detections and thresholds."""

from pathlib import Path

from starlette.responses import FileResponse, Response

from builder.errors import BuildError
from preannotate.core.errors import PreannotateError
from preannotate.registry.errors import WorkspaceError
from preannotate.registry.publication import Deploy
from preannotate.studio.errors import PageError, StudioError
from preannotate.studio.models import ModelSummary, VersionSummary
from preannotate.studio.web.access.headers import REPORT_POLICY
from preannotate.studio.web.charts import sparkline
from preannotate.studio.web.page_request import Form, PageRequest, go_to
from runtime.errors import FunctionError

_RUNS = 10
# Before the names of labels, which may be anything.
PREFIX = "label-"
_PICTURES = {".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png", ".webp": "image/webp"}


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
    try:
        path = request.services.models.overlay(model.name, version.number, request.path("picture"))
    except StudioError as error:
        raise PageError(404, "Image not found", str(error)) from error
    kind = _PICTURES.get(path.suffix.casefold())
    if kind is None:
        raise PageError(404, "Image not found", f"{path.name}: not an image; expected one of: {', '.join(_PICTURES)}.")
    return FileResponse(path, media_type=kind, headers={"content-security-policy": "default-src 'none'; sandbox"})


def set_threshold(request: PageRequest) -> Response:
    """Change the thresholds of the labels."""
    model, version = _find_version(request)
    form = Form.submitted(request, [PREFIX + str(place) for place in range(len(model.labels))])
    values = {label: _value(form, PREFIX + str(place), label) for place, label in enumerate(model.labels)}
    if not form.errors:
        try:
            request.services.models.set_threshold(model.name, version.number, values)
        except (PreannotateError, FunctionError) as error:
            form.add_error("", error)
        else:
            return go_to(f"/models/{model.name}/versions/{version.number}", done="threshold")
    return _page(request, model, version, form, 422)


def _value(form: Form, name: str, label: str) -> float:
    text = form.values[name].replace(",", ".")
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        form.add_error(name, f"Threshold of {label}: {text!r}; expected a number from 0 to 1.")
    return value


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
    number = request.raw.path_params["version"]
    for version in model.versions:
        if version.number == number:
            return model, version
    raise PageError(404, "Version not found", f"{model.name}: no version {number}; expected one that its page lists.")


def _report_file(request: PageRequest, model: ModelSummary, version: VersionSummary) -> Path:
    try:
        return request.services.models.report_file(model.name, version.number)
    except StudioError as error:
        raise PageError(404, "Report not found", str(error)) from error
