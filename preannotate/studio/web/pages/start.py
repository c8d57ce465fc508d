"""What is going on: the first page."""

from starlette.responses import Response

from preannotate.jobs.live_progress import read_live_progress
from preannotate.jobs.queue import RUNNING, WAITING
from preannotate.studio.web.visit import Visit

_RECENT = 5
_MODELS = 6


def show(visit: Visit) -> Response:
    """Runs at work, what ended lately, and models."""
    everything = visit.studio.queue.list()
    active = [run for run in everything if run.state in (RUNNING, WAITING)]
    recent = [run for run in everything if run.state not in (RUNNING, WAITING)][:_RECENT]
    models = visit.studio.models.list()
    return visit.page(
        "start.html",
        active=[(run, read_live_progress(run)) for run in reversed(active)],
        recent=recent,
        models=models[:_MODELS],
        more_models=max(len(models) - _MODELS, 0),
        servers=visit.studio.servers.list(),
    )
