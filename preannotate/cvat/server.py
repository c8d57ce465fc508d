"""The few pages of CVAT's REST API that are used here, as plain JSON.

Source: cvat-sdk's generated classes name the endpoints; `contents` of each are CVAT's, 2.15 and newer.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import IO, Any

from cvat_sdk import models
from cvat_sdk.core.client import Client

from preannotate.cvat.errors import CvatError
from preannotate.cvat.limited_http import LARGE, LIST, Limits
from preannotate.cvat.requests import Requests
from preannotate.cvat.response_checks import (
    ANNOTATIONS,
    COMMENT,
    FRAMES_OF_JOB,
    FRAMES_OF_TASK,
    ISSUE,
    JOB,
    LABEL,
    PROJECT,
    TASK,
    USER,
    VALIDATION,
    WEBHOOK,
    Check,
    checked,
    page_of,
)

Json = dict[str, Any]
# The most that CVAT gives on one page.
_PAGE_SIZE = 500
_MAX_PAGES = 200
WEBHOOK_EVENT = "update:job"
_WEBHOOK_DESCRIPTION = "preannotate watch"


class Server:
    """A CVAT server, logged in; `connection.connect` makes it.

    Attributes:
        url: Without a login.
        version: CVAT's.
        notes: Whole sentences about what may go wrong.
    """

    def __init__(self, client: Client, requests: Requests, *, version: str, notes: tuple[str, ...] = ()) -> None:
        self.client = client
        self.requests = requests
        self.url = requests.url
        self.version = version
        self.notes = notes
        self._api = client.api_client

    def task(self, number: int) -> Json:
        """A task."""
        return self._read(f"task {number}", TASK, self._api.tasks_api.retrieve, number)

    def job(self, number: int) -> Json:
        """A job."""
        return self._read(f"job {number}", JOB, self._api.jobs_api.retrieve, number)

    def project(self, number: int) -> Json:
        """A project."""
        return self._read(f"project {number}", PROJECT, self._api.projects_api.retrieve, number)

    def user(self) -> Json:
        """Who is logged in."""
        return self._read("the login", USER, self._api.users_api.retrieve_self)

    def page_of_projects(self, *, page: int, size: int, search: str = "") -> Json:
        """A part of the list of projects, the newest first: `count` and `results`."""
        named: Json = {"search": search} if search else {}
        check = page_of(PROJECT, next_page=False)
        return self._read("projects", check, self._api.projects_api.list, page=page, page_size=size, **named)

    def page_of_tasks(self, *, page: int, size: int, search: str = "", project: int | None = None) -> Json:
        """A part of the list of tasks, the newest first: `count` and `results`."""
        named: Json = {"search": search} if search else {}
        if project is not None:
            named["project_id"] = project
        check = page_of(TASK, next_page=False)
        return self._read("tasks", check, self._api.tasks_api.list, page=page, page_size=size, **named)

    def preview(self, task: int, sink: IO[bytes]) -> None:
        """Write the small picture of a task to `sink`."""
        what = f"picture of task {task}"
        self.requests.download(what, sink, self._api.tasks_api.retrieve_preview, task, limits=LIST)

    def tasks_of_project(self, number: int) -> list[Json]:
        """Its tasks."""
        return self.pages(f"tasks of project {number}", TASK, self._api.tasks_api.list, project_id=number)

    def jobs_of_task(self, number: int) -> list[Json]:
        """Its jobs of all types."""
        return self.pages(f"jobs of task {number}", JOB, self._api.jobs_api.list, task_id=number)

    def labels_of_task(self, number: int) -> list[Json]:
        """Its labels in their order, those of its project if it has one; parts of skeletons among them."""
        return self.pages(f"labels of task {number}", LABEL, self._api.labels_api.list, task_id=number)

    def frames_of_task(self, number: int) -> Json:
        """Names, sizes and deleted frames."""
        what, call = f"frames of task {number}", self._api.tasks_api.retrieve_data_meta
        return self._read(what, FRAMES_OF_TASK, call, number, limits=LARGE)

    def frames_of_job(self, number: int) -> Json:
        """The same of a job; only this page lists the frames of a ground-truth job."""
        what, call = f"frames of job {number}", self._api.jobs_api.retrieve_data_meta
        return self._read(what, FRAMES_OF_JOB, call, number, limits=LARGE)

    def validation_of_task(self, number: int) -> Json:
        """Which frames are honeypots."""
        what, call = f"validation of task {number}", self._api.tasks_api.retrieve_validation_layout
        return self._read(what, VALIDATION, call, number, limits=LARGE)

    def annotations_of_job(self, number: int) -> Json:
        """Tags, shapes and tracks with their key frames."""
        what, call = f"annotations of job {number}", self._api.jobs_api.retrieve_annotations
        return self._read(what, ANNOTATIONS, call, number, limits=LARGE)

    def image(self, task: int, frame: int, sink: IO[bytes]) -> None:
        """Write the image of a frame (relative number) to `sink`, in the quality in which it was uploaded."""
        call = self._api.tasks_api.retrieve_data
        what = f"frame {frame} of task {task}"
        self.requests.download(what, sink, call, task, type="frame", number=frame, quality="original")

    def add_shapes(self, job: int, shapes: Sequence[Json], *, happened: Callable[[], bool]) -> None:
        """Add shapes to a job, all or none of them, beside those that are there.

        Args:
            job: Number.
            shapes: As in `annotations_of_job`, without ids.
            happened: Returns whether the shapes are there; called before another attempt, because a lost response
                may be that of a successful request.
        """
        body = models.PatchedLabeledDataRequest(shapes=[_shape_request(shape) for shape in shapes])
        attempts = 0

        def send() -> None:
            nonlocal attempts
            attempts += 1
            if attempts > 1 and happened():
                return
            call = self._api.jobs_api.partial_update_annotations
            self.requests.send(call, "create", job, patched_labeled_data_request=body)

        self.requests.with_retries(f"new shapes of job {job}", send)

    def stop(self) -> None:
        """Retry nothing from now on."""
        self.requests.stop()

    def parsing_response(self, what: str) -> AbstractContextManager[None]:
        """As `Requests.parsing_response`."""
        return self.requests.parsing_response(what)

    def pages(self, what: str, entry: Check, call: Callable[..., Any], **named: Any) -> list[Json]:
        """All entries, by their ids: lists come with the newest first, and exports have labels in this order.

        Raises:
            CvatError: An entry is not as `entry` checks it, or the list does not end.
        """
        found: dict[int, Json] = {}
        check = page_of(entry)
        for page in range(1, _MAX_PAGES + 1):
            content = self._read(what, check, call, page=page, page_size=_PAGE_SIZE, **named)
            before = len(found)
            found |= {one["id"]: one for one in content["results"]}
            if not content.get("next"):
                return sorted(found.values(), key=lambda one: one["id"])
            if len(found) == before:
                raise CvatError(
                    f"{self.url}: {what}: page {page} has nothing new and names another page; expected a list that "
                    f"ends. Check whether something on the way changes CVAT's responses."
                )
            if len(found) > _MAX_PAGES * _PAGE_SIZE:
                break
        raise CvatError(
            f"{self.url}: {what}: more than {_MAX_PAGES * _PAGE_SIZE}; expected at most that. Name less at a time."
        )

    def _read(
        self, what: str, check: Check, call: Callable[..., Any], *arguments: Any, limits: Limits = LIST, **named: Any
    ) -> Any:
        content = self.requests.json(what, call, *arguments, limits=limits, **named)
        return checked(self.url, what, content, check)


@dataclass(frozen=True)
class Issue:
    """CVAT's remark on a place of a frame, which people see while they work on the job; resolved or not.

    Attributes:
        frame: Relative number.
        position: (x1, y1, x2, y2) in image pixels, around all its points.
        message: The first comment.
    """

    frame: int
    position: tuple[float, float, float, float]
    message: str


def issues_of_job(server: Server, job: int) -> list[Issue]:
    """Return all issues of a job. Their messages are comments, which CVAT lists apart."""
    api = server.client.api_client
    what = f"issues of job {job}"
    issues = server.pages(what, ISSUE, api.issues_api.list, job_id=job)
    comments = server.pages(f"comments of job {job}", COMMENT, api.comments_api.list, job_id=job) if issues else []
    with server.parsing_response(what):
        messages: dict[int, str] = {}
        for comment in comments:  # by their ids: the first is what the issue was made with
            messages.setdefault(comment["issue"], comment["message"])
        return [Issue(issue["frame"], _around(issue["position"]), messages.get(issue["id"], "")) for issue in issues]


def add_issue(server: Server, job: int, issue: Issue) -> None:
    """Make an issue, without retries: if the response is lost, it may be there."""
    request = models.IssueWriteRequest(
        frame=issue.frame, position=[round(float(value), 2) for value in issue.position], job=job, message=issue.message
    )
    server.requests.json_once(f"a new issue of job {job}", server.client.api_client.issues_api.create, request)


def register_webhook(server: Server, project: int, *, url: str, secret: str) -> int:
    """Make CVAT report changes of a project's jobs to `url`; an earlier webhook for this URL is updated.

    CVAT never shows a secret, so it is set each time.

    Args:
        server: Of a user who may change the project.
        project: Number.
        url: Of the receiver, as CVAT reaches it.
        secret: Signs what CVAT sends.

    Returns:
        The number of the webhook.

    Raises:
        CvatError: CVAT does not answer, or refuses.
    """
    api = server.client.api_client.webhooks_api
    what = f"the webhooks of project {project}"

    def find() -> int | None:
        for webhook in server.pages(what, WEBHOOK, api.list, project_id=project):
            if webhook["target_url"] == url and webhook.get("project_id", webhook.get("project")) == project:
                return webhook["id"]
        return None

    def send() -> int | None:
        found = find()  # before each attempt: what was lost may be the response to a successful one
        fields: Json = {
            "target_url": url,
            "content_type": models.WebhookContentType("application/json"),
            "secret": secret,
            "is_active": True,
            "enable_ssl": True,
            "events": [models.EventsEnum(WEBHOOK_EVENT)],
        }
        if found is None:
            kind = models.WebhookType("project")
            request = models.WebhookWriteRequest(
                type=kind, project_id=project, description=_WEBHOOK_DESCRIPTION, **fields, _check_type=False
            )
            server.requests.send(api.create, request)
        else:
            request = models.PatchedWebhookWriteRequest(**fields, _check_type=False)
            server.requests.send(api.partial_update, found, patched_webhook_write_request=request)
        return found

    found = server.requests.with_retries(what, send)
    return found if found is not None else find() or 0


def _shape_request(shape: Json) -> models.LabeledShapeRequest:
    attributes = [models.AttributeValRequest(**attribute) for attribute in shape["attributes"]]
    return models.LabeledShapeRequest(**{**shape, "attributes": attributes})


def _around(points: Sequence[float]) -> tuple[float, float, float, float]:
    return min(points[::2]), min(points[1::2]), max(points[::2]), max(points[1::2])
