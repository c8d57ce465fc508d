"""What is going on: the first page."""

from starlette.responses import Response

from preannotate.jobs.live_progress import read_live_progress
from preannotate.studio.web.page_request import PageRequest

_RECENT = 5
_MODELS = 6


def show(request: PageRequest) -> Response:
    """Runs at work, what ended lately, and models."""
    everything = request.services.queue.list()
    active = [run for run in everything if not run.state.is_over]
    recent = [run for run in everything if run.state.is_over][:_RECENT]
    models = request.services.models.list()
    return request.page(
        "home.html",
        active=[(run, read_live_progress(run)) for run in reversed(active)],
        recent=recent,
        models=models[:_MODELS],
        more_models=max(len(models) - _MODELS, 0),
        servers=request.services.servers.list(),
    )
