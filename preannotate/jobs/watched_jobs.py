"""Which jobs of CVAT are watched: those that the model is trained on."""

from typing import Any

from preannotate.core.errors import FileError
from preannotate.core.files import read_json
from preannotate.jobs.errors import WatchError
from preannotate.jobs.watch_state import CompletedJobs
from preannotate.pipeline.run_request import RunRequest, read_run_request
from preannotate.registry.workspace import ModelFolder

# As in `cvat.tasks`, which needs cvat-sdk.
ANNOTATION, GROUND_TRUTH, COMPLETED = "annotation", "ground_truth", "completed"


def watched_request(model: ModelFolder) -> RunRequest:
    """Return the request of the model's last run: its tasks, projects and jobs are watched.

    Raises:
        WatchError: There was no run.
        FileError, PipelineError: `run_request.json` is damaged.
    """
    request = read_run_request(model.run_request)
    if request is None or not request.names_frames:
        raise WatchError(
            f"{model.path}: never trained; expected an earlier run to repeat. "
            f"Run once: preannotate run --cvat URL --task ID."
        )
    return request


def is_watched(request: RunRequest, *, job: object, task: object, project: object) -> bool:
    """Return whether a job is one of those that a request names."""
    return job in request.jobs or task in request.tasks or project in request.projects


def pulled_jobs(model: ModelFolder) -> CompletedJobs | None:
    """Return the completed jobs of the latest pull; None if there is none that can be read."""
    try:
        source = read_json(model.dataset / "source.json")
        return {job["id"]: job["updated_date"] for job in source["jobs"] if _counts(job)}
    except (FileError, KeyError, TypeError):
        return None


def _counts(job: dict[str, Any]) -> bool:
    return job["state"] == COMPLETED and job["type"] in (ANNOTATION, GROUND_TRUTH)
