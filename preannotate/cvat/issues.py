"""CVAT's issues: remarks on a place of a frame, which people see while they work on the job."""

from collections.abc import Sequence
from dataclasses import dataclass

from cvat_sdk import models

from preannotate.cvat.server import Server


@dataclass(frozen=True)
class Issue:
    """An issue, resolved or not.

    Attributes:
        frame: Relative number.
        position: (x1, y1, x2, y2) in image pixels, around all its points.
        message: The first comment.
    """

    frame: int
    position: tuple[float, float, float, float]
    message: str


def issues_of_job(server: Server, job: int) -> list[Issue]:
    """All issues of a job. Their words are comments, which newer and older servers list apart."""
    api = server.client.api_client
    what = f"issues of job {job}"
    issues = server.pages(what, api.issues_api.list, job_id=job)
    comments = server.pages(f"comments of job {job}", api.comments_api.list, job_id=job) if issues else []
    with server.parsing_response(what):
        messages: dict[int, str] = {}
        for comment in comments:  # by their ids: the first is what the issue was made with
            messages.setdefault(comment["issue"], comment["message"])
        return [Issue(one["frame"], _around(one["position"]), messages.get(one["id"], "")) for one in issues]


def add_issue(server: Server, job: int, issue: Issue) -> None:
    """Make an issue, once: if the answer is lost, it may be there."""
    request = models.IssueWriteRequest(
        frame=issue.frame, position=[round(float(value), 2) for value in issue.position], job=job, message=issue.message
    )
    server.requests.json_once(f"a new issue of job {job}", server.client.api_client.issues_api.create, request)


def _around(points: Sequence[float]) -> tuple[float, float, float, float]:
    return min(points[::2]), min(points[1::2]), max(points[::2]), max(points[1::2])
