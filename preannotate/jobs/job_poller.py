"""Which of the watched jobs are completed: now in CVAT, and in the latest pull."""

from collections.abc import Mapping
from typing import Any

from preannotate.core.errors import FileError
from preannotate.core.files import read_json
from preannotate.cvat.connection import connect
from preannotate.cvat.errors import CvatError
from preannotate.cvat.login import Login
from preannotate.cvat.server import Json, Server
from preannotate.cvat.tasks import ANNOTATION, COMPLETED, GROUND_TRUTH, why_unusable
from preannotate.jobs.retrain_policy import CompletedJobs
from preannotate.pipeline.run_request import RunRequest
from preannotate.registry.workspace import ModelFolder


class JobPoller:
    """Polls CVAT; logs in when necessary, and again after an error."""

    def __init__(self, login: Login) -> None:
        self._login = login
        self._server: Server | None = None

    def completed(self, request: RunRequest) -> CompletedJobs:
        """Return the completed jobs among those that a request names; raises CvatError."""
        if self._server is not None:
            try:
                return _completed(self._server, request)
            except CvatError:  # the session may have expired: the next login reports what is wrong, if anything is
                self._server = None
        server = connect(self._login)
        found = _completed(server, request)
        self._server = server
        return found

    def stop(self) -> None:
        """Let a poll that is going on fail at once instead of retrying."""
        if self._server is not None:
            self._server.stop()


def pulled_jobs(model: ModelFolder) -> CompletedJobs | None:
    """Return the completed jobs of the latest pull; None if there is none that can be read."""
    try:
        source = read_json(model.dataset / "source.json")
        return {job["id"]: job["updated_date"] for job in source["jobs"] if _counts(job)}
    except (FileError, KeyError, TypeError):
        return None


def _completed(server: Server, request: RunRequest) -> CompletedJobs:
    tasks = set(request.tasks)
    for project in sorted(request.projects):  # its tasks may change
        with server.parsing_response(f"tasks of project {project}"):
            tasks |= {task["id"] for task in server.tasks_of_project(project) if not why_unusable(task)}
    jobs: dict[int, Json] = {}
    for number in sorted(tasks):
        with server.parsing_response(f"jobs of task {number}"):
            jobs |= {job["id"]: job for job in server.jobs_of_task(number)}
    for number in sorted(set(request.jobs) - set(jobs)):
        jobs[number] = server.job(number)
    with server.parsing_response("jobs"):
        return {job["id"]: str(job["updated_date"]) for job in jobs.values() if _counts(job)}


def _counts(job: Mapping[str, Any]) -> bool:
    return job["state"] == COMPLETED and job.get("type", ANNOTATION) in (ANNOTATION, GROUND_TRUTH)
