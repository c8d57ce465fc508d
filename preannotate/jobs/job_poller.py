"""A look at CVAT: which of the watched jobs are completed, and since when they are as they are."""

from collections.abc import Iterable
from typing import Any

from preannotate.cvat.connection import connect
from preannotate.cvat.errors import CvatError
from preannotate.cvat.login import Login
from preannotate.cvat.server import Json, Server
from preannotate.cvat.tasks import ANNOTATION, COMPLETED, GROUND_TRUTH, why_unusable
from preannotate.jobs.watch_state import CompletedJobs
from preannotate.jobs.watched_jobs import WatchedJobs


class JobPoller:
    """Logs in when it is needed, and again after a fault."""

    def __init__(self, login: dict[str, Any]) -> None:
        """Ask nothing yet.

        Args:
            login: As in `cvat.login.Login`.
        """
        self._login = Login(**login)
        self._server: Server | None = None

    def completed(self, watched: WatchedJobs) -> CompletedJobs:
        """The completed jobs.

        Raises:
            CvatError: CVAT does not answer, or not as expected.
        """
        if self._server is not None:
            try:
                return _completed(self._server, watched)
            except CvatError:  # a session may have run out: the next one says what is wrong, if anything is
                self._server = None
        server = connect(self._login)
        found = _completed(server, watched)
        self._server = server
        return found

    def stop(self) -> None:
        """A look at work does not ask again what fails."""
        if self._server is not None:
            self._server.stop()


def _completed(server: Server, watched: WatchedJobs) -> CompletedJobs:
    jobs: dict[int, Json] = {}
    for number in _tasks(server, watched):
        with server.parsing_response(f"jobs of task {number}"):
            jobs |= {job["id"]: job for job in server.jobs_of_task(number)}
    for number in sorted(watched.jobs - set(jobs)):
        jobs[number] = server.job(number)
    with server.parsing_response("jobs"):
        return {job["id"]: str(job["updated_date"]) for job in jobs.values() if _counts(job)}


def _tasks(server: Server, watched: WatchedJobs) -> Iterable[int]:
    """Numbers; a task of a watched project may come and go."""
    found = set(watched.tasks)
    for project in sorted(watched.projects):
        with server.parsing_response(f"tasks of project {project}"):
            found |= {task["id"] for task in server.tasks_of_project(project) if not why_unusable(task)}
    return sorted(found)


def _counts(job: Json) -> bool:
    return job["state"] == COMPLETED and job.get("type", ANNOTATION) in (ANNOTATION, GROUND_TRUTH)
