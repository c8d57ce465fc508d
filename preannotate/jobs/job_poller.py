"""Polls CVAT: which of the watched jobs are completed, and when each was last changed."""

from collections.abc import Iterable

from preannotate.cvat.connection import connect
from preannotate.cvat.errors import CvatError
from preannotate.cvat.login import Login
from preannotate.cvat.server import Json, Server
from preannotate.cvat.tasks import ANNOTATION, COMPLETED, GROUND_TRUTH, why_unusable
from preannotate.jobs.watch_state import CompletedJobs
from preannotate.pipeline.run_request import RunRequest


class JobPoller:
    """Logs in when necessary, and again after an error."""

    def __init__(self, login: Login) -> None:
        """Request nothing yet."""
        self._login = login
        self._server: Server | None = None

    def completed(self, request: RunRequest) -> CompletedJobs:
        """Return the completed jobs among those that a request names.

        Raises:
            CvatError: CVAT does not respond, or not as expected.
        """
        if self._server is not None:
            try:
                return _completed(self._server, request)
            except CvatError:  # the session may have expired: the next one reports what is wrong, if anything is
                self._server = None
        server = connect(self._login)
        found = _completed(server, request)
        self._server = server
        return found

    def stop(self) -> None:
        """Let a poll that is going on fail at once instead of retrying."""
        if self._server is not None:
            self._server.stop()


def _completed(server: Server, request: RunRequest) -> CompletedJobs:
    jobs: dict[int, Json] = {}
    for number in _tasks(server, request):
        with server.parsing_response(f"jobs of task {number}"):
            jobs |= {job["id"]: job for job in server.jobs_of_task(number)}
    for number in sorted(set(request.jobs) - set(jobs)):
        jobs[number] = server.job(number)
    with server.parsing_response("jobs"):
        return {job["id"]: str(job["updated_date"]) for job in jobs.values() if _counts(job)}


def _tasks(server: Server, request: RunRequest) -> Iterable[int]:
    """Return the numbers of the tasks; those of a project may change."""
    found = set(request.tasks)
    for project in sorted(request.projects):
        with server.parsing_response(f"tasks of project {project}"):
            found |= {task["id"] for task in server.tasks_of_project(project) if not why_unusable(task)}
    return sorted(found)


def _counts(job: Json) -> bool:
    return job["state"] == COMPLETED and job.get("type", ANNOTATION) in (ANNOTATION, GROUND_TRUTH)
