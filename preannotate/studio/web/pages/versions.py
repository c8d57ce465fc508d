"""One version of a model: its report, detections and thresholds."""

from pathlib import Path

from starlette.responses import FileResponse, Response

from preannotate.core.errors import PreannotateError
from preannotate.studio.errors import PageError, StudioError
from preannotate.studio.models import ModelSummary, VersionSummary
from preannotate.studio.web.access.security_headers import REPORT_POLICY
from preannotate.studio.web.forms import Form
from preannotate.studio.web.page_request import PageRequest, go_to
from preannotate.studio.web.pages import models
from runtime.errors import FunctionError

# Before the names of labels, which may be anything.
PREFIX = "label-"
_PICTURES = {".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png", ".webp": "image/webp"}


def show(request: PageRequest) -> Response:
    """Show a version."""
    model, version = _find(request)
    values = {PREFIX + str(place): f"{model.thresholds.get(label, 0):.3f}" for place, label in enumerate(model.labels)}
    return _page(request, model, version, Form(values))


def report(request: PageRequest) -> Response:
    """Show the report in a frame, below the navigation."""
    model, version = _find(request)
    _report_file(request, model, version)
    return request.page("report.html", model=model, version=version)


def report_file(request: PageRequest) -> Response:
    """Return the report itself, in an origin of its own, without scripts and forms."""
    path = _report_file(request, *_find(request))
    return FileResponse(path, media_type="text/html", headers={"content-security-policy": REPORT_POLICY})


def overlay(request: PageRequest) -> Response:
    """Return an image with detections."""
    model, version = _find(request)
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
    model, version = _find(request)
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


def _find(request: PageRequest) -> tuple[ModelSummary, VersionSummary]:
    model = models.find(request)
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
