"""The few pages of CVAT's REST API that are used here, as plain JSON.

Source: cvat-sdk's generated classes name the endpoints; `contents` of each are CVAT's, 2.15 and newer.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import IO, Any

from cvat_sdk import models
from cvat_sdk.core.client import Client

from preannotate.cvat.requests import Requests

Json = dict[str, Any]
# The most that CVAT gives on one page.
_PAGE_SIZE = 500


class Server:
    """A CVAT server, logged in; `connection.connect` makes it.

    Attributes:
        client: cvat-sdk's.
        requests: Sends requests with it.
        url: Of the server, without a login.
        version: Of the server.
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
        return self.requests.json(f"task {number}", self._api.tasks_api.retrieve, number)

    def job(self, number: int) -> Json:
        """A job."""
        return self.requests.json(f"job {number}", self._api.jobs_api.retrieve, number)

    def project(self, number: int) -> Json:
        """A project."""
        return self.requests.json(f"project {number}", self._api.projects_api.retrieve, number)

    def user(self) -> Json:
        """Who is logged in."""
        return self.requests.json("the login", self._api.users_api.retrieve_self)

    def page_of_projects(self, *, page: int, size: int, search: str = "") -> Json:
        """A part of the list of projects, the newest first: `count` and `results`."""
        named = {"search": search} if search else {}
        return self.requests.json("projects", self._api.projects_api.list, page=page, page_size=size, **named)

    def page_of_tasks(self, *, page: int, size: int, search: str = "", project: int | None = None) -> Json:
        """A part of the list of tasks, the newest first: `count` and `results`."""
        named: Json = {"search": search} if search else {}
        if project is not None:
            named["project_id"] = project
        return self.requests.json("tasks", self._api.tasks_api.list, page=page, page_size=size, **named)

    def preview(self, task: int, sink: IO[bytes]) -> None:
        """Write the small picture of a task to `sink`."""
        self.requests.download(f"picture of task {task}", sink, self._api.tasks_api.retrieve_preview, task)

    def tasks_of_project(self, number: int) -> list[Json]:
        """Its tasks."""
        return self.pages(f"tasks of project {number}", self._api.tasks_api.list, project_id=number)

    def jobs_of_task(self, number: int) -> list[Json]:
        """Its jobs of all types."""
        return self.pages(f"jobs of task {number}", self._api.jobs_api.list, task_id=number)

    def labels_of_task(self, number: int) -> list[Json]:
        """Its labels in their order, those of its project if it has one; parts of skeletons among them."""
        return self.pages(f"labels of task {number}", self._api.labels_api.list, task_id=number)

    def frames_of_task(self, number: int) -> Json:
        """Names, sizes and deleted frames."""
        return self.requests.json(f"frames of task {number}", self._api.tasks_api.retrieve_data_meta, number)

    def frames_of_job(self, number: int) -> Json:
        """The same of a job; which frames a ground-truth job has is only said here."""
        return self.requests.json(f"frames of job {number}", self._api.jobs_api.retrieve_data_meta, number)

    def validation_of_task(self, number: int) -> Json:
        """Which frames are honeypots."""
        call = self._api.tasks_api.retrieve_validation_layout
        return self.requests.json(f"validation of task {number}", call, number)

    def annotations_of_job(self, number: int) -> Json:
        """Tags, shapes and tracks with their key frames."""
        return self.requests.json(f"annotations of job {number}", self._api.jobs_api.retrieve_annotations, number)

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
            happened: Whether the shapes are there: asked before another attempt, for the answer may be what was lost.
        """
        body = models.PatchedLabeledDataRequest(shapes=[_shape_request(shape) for shape in shapes])
        attempts = 0

        def ask() -> None:
            nonlocal attempts
            attempts += 1
            if attempts > 1 and happened():
                return
            call = self._api.jobs_api.partial_update_annotations
            _, response = call("create", job, patched_labeled_data_request=body, _parse_response=False)
            with response:
                response.drain_conn()

        self.requests.with_retries(f"new shapes of job {job}", ask)

    def stop(self) -> None:
        """Do not ask again what fails from now on."""
        self.requests.stop()

    def parsing_response(self, what: str) -> AbstractContextManager[None]:
        """As `Requests.parsing_response`."""
        return self.requests.parsing_response(what)

    def pages(self, what: str, call: Callable[..., Any], **named: Any) -> list[Json]:
        """All entries, by their ids: lists come with the newest first, and exports have labels in this order."""
        found: list[Json] = []
        page = 1
        while True:
            answer = self.requests.json(what, call, page=page, page_size=_PAGE_SIZE, **named)
            with self.parsing_response(what):
                found += answer["results"]
                more = answer["next"]
                if not more:
                    return sorted(found, key=lambda entry: entry["id"])
            page += 1


def _shape_request(shape: Json) -> models.LabeledShapeRequest:
    attributes = [models.AttributeValRequest(**attribute) for attribute in shape["attributes"]]
    return models.LabeledShapeRequest(**{**shape, "attributes": attributes})
