"""CVAT's own way to functions: its list of them, one call, and its automatic annotation of a job.

What the server's `lambda_manager` answers, 2.15 and newer. An online call saves nothing; older servers give the
function's own list, newer ones an object with ids of labels, and both are read here. A request saves shapes of the
source `auto` beside what is there, frame by frame, one request per task at a time; its id is opaque.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cvat_sdk.api_client.exceptions import ApiException
from cvat_sdk.core.client import Client

from preannotate.cvat.errors import CvatError
from preannotate.cvat.requests import Requests
from preannotate.diagnostics.cvat import CALL_STATUS, LIST_STATUS

Json = dict[str, Any]
DETECTOR = "detector"
QUEUED, STARTED, FINISHED, FAILED = "queued", "started", "finished", "failed"
# What a request may still do anything in; newer servers know more ways to be over than "finished" and "failed".
_ACTIVE = (QUEUED, STARTED, "scheduled", "deferred")
# CVAT itself waits 120 s for a function.
_CALL_SECONDS = (10.0, 130.0)
_LONGEST_CAUSE = 200


@dataclass(frozen=True)
class ListedFunction:
    """A function as CVAT lists it.

    Attributes:
        id: Its name in nuclio or `preannotate serve`.
        kind: `DETECTOR`, …
        labels: Names, in order.
    """

    id: str
    kind: str
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Shape:
    """A rectangle of an online call: name of the task's label, and (x1, y1, x2, y2) in image pixels."""

    label: str
    box: tuple[float, float, float, float]


@dataclass(frozen=True)
class BatchRequest:
    """An automatic annotation.

    Attributes:
        id: Opaque.
        function: Its id.
        task: Number.
        job: Number; None is the whole task.
        status: `QUEUED`, `STARTED`, `FINISHED`, `FAILED`, or another way to be over.
        progress: In per cent of the task's frames.
        cause: Last line of why it failed, else "".
    """

    id: str
    function: str
    task: int
    job: int | None
    status: str
    progress: float
    cause: str = ""

    @property
    def active(self) -> bool:
        """Whether it may still add shapes."""
        return self.status in _ACTIVE


class TaskBusyError(CvatError):
    """Another automatic annotation of this task is queued or running."""


class Functions:
    """The functions of a CVAT server, logged in."""

    def __init__(self, client: Client, requests: Requests) -> None:
        self._api = client.api_client
        self._requests = requests
        self.url = requests.url

    def switched_on(self) -> bool:
        """Whether CVAT was started with its serverless part; True if it does not say."""
        plugins = self._requests.json("its plugins", self._api.server_api.retrieve_plugins)
        return not (isinstance(plugins, dict) and plugins.get("MODELS") is False)

    def listed(self) -> dict[str, ListedFunction]:
        """Id to function, as the Models page shows them.

        Raises:
            CvatError: CVAT has no list, does not reach nuclio, or does not let this user see it.
        """
        try:
            content = self._requests.json("the functions", self._api.lambda_api.list_functions)
        except CvatError as error:
            raise _explained(self.url, "the list of functions", error, LIST_STATUS) from error
        with self._understanding("the list of functions"):
            found = [
                ListedFunction(
                    str(entry["id"]),
                    str(entry.get("kind", "")),
                    tuple(str(label["name"]) for label in entry.get("labels_v2") or ()),
                )
                for entry in content
            ]
        return {function.id: function for function in found}

    def call(
        self,
        function: str,
        task: int,
        frame: int,
        mapping: Mapping[str, Json],
        labels: Mapping[int, str],
        threshold: float | None = None,
    ) -> list[Shape]:
        """What a function finds on one frame, asked once; nothing is saved.

        Args:
            function: Its id.
            task: Number.
            frame: Relative number.
            mapping: From `mapping`.
            labels: Id to name of the task's labels.
            threshold: Least score, above 0; None takes the function's own.

        Raises:
            CvatError: CVAT or the function refuses or fails.
        """
        what = f"a call of {function} on frame {frame} of task {task}"
        body = {"task": task, "frame": frame, "mapping": dict(mapping)}
        if threshold is not None:
            body["threshold"] = threshold
        try:
            answer = self._post(self._requests.json_once, "/api/lambda/functions/{id}", what, body, id=function)
        except CvatError as error:
            raise _explained(self.url, what, error, CALL_STATUS, name=function) from error
        with self._understanding(what):
            if isinstance(answer, dict):
                return [_shape(labels[entry["label_id"]], entry) for entry in answer["shapes"]]
            return [_shape(entry["label"], entry) for entry in answer]

    def start(self, function: str, task: int, job: int, mapping: Mapping[str, Json]) -> BatchRequest:
        """Have CVAT annotate all frames of a job; what is there stays.

        If the answer is lost, the next attempt meets the request that the first one began.

        Args:
            function: Its id.
            task: Number.
            job: Number of one of the task's jobs.
            mapping: From `mapping`.

        Raises:
            TaskBusyError: Another request works on the task.
            CvatError: CVAT refuses or fails.
        """
        what = f"automatic annotation of job {job}"
        body = {
            "function": function,
            "task": task,
            "job": job,
            "cleanup": False,
            # The newer name and the older; what a server does not know it passes over.
            "conv_mask_to_poly": True,
            "convMaskToPoly": True,
            "mapping": dict(mapping),
        }
        try:
            answer = self._post(self._requests.json, "/api/lambda/requests", what, body)
        except CvatError as error:
            if status_of(error) == 409:
                raise TaskBusyError(
                    f"{self.url}: 409 for {what}, another automatic annotation works on task {task}; expected none. "
                    f"Wait for it, or stop it on CVAT's Tasks page."
                ) from error
            raise _explained(self.url, what, error, CALL_STATUS, name=function) from error
        return self._request(answer)

    def request(self, number: str) -> BatchRequest | None:
        """How a request is; None if the server does not know it any more."""
        call = self._api.call_api
        try:
            answer = self._requests.json(
                "an automatic annotation", call, "/api/lambda/requests/{id}", "GET", **self._options(id=number)
            )
        except CvatError as error:
            if status_of(error) == 404:
                return None
            raise
        return self._request(answer)

    def active(self, task: int) -> BatchRequest | None:
        """The request that works on a task, or waits to."""
        content = self._requests.json("the automatic annotations", self._api.lambda_api.list_requests)
        with self._understanding("the list of automatic annotations"):
            found = [self._request(entry) for entry in content]
        return next((request for request in found if request.task == task and request.active), None)

    def cancel(self, number: str) -> None:
        """Stop a request at its next frame; one that is over already is no error."""

        def ask() -> None:
            _, response = self._api.call_api(
                "/api/lambda/requests/{id}", "DELETE", _parse_response=False, **self._options(id=number)
            )
            response.drain_conn()
            response.release_conn()

        try:
            self._requests.tried("the end of an automatic annotation", ask)
        except CvatError as error:
            if status_of(error) != 404:
                raise

    def _post(self, ask: Callable[..., Any], path: str, what: str, body: Json, **ids: str) -> Any:
        """The SDK's own model of an online call knows neither frame nor mapping."""
        options = self._options(**ids)
        options["header_params"]["Content-Type"] = "application/json"
        call = self._api.call_api
        return ask(what, call, path, "POST", body=body, _request_timeout=_CALL_SECONDS, **options)

    def _options(self, **ids: str) -> dict[str, Any]:
        """Login and path of a request; an id is percent-encoded by the SDK."""
        return {
            "path_params": ids,
            "query_params": [],
            "header_params": {"Accept": "application/vnd.cvat+json"},
            "auth_settings": self._api.lambda_api.create_requests_endpoint.settings["auth"],
        }

    def _request(self, content: Any) -> BatchRequest:
        with self._understanding("an automatic annotation"):
            function = content["function"]
            lines = (content.get("exc_info") or "").strip().splitlines()
            return BatchRequest(
                str(content["id"]),
                str(function["id"]),
                int(function["task"]),
                function.get("job"),
                str(content["status"]).lower(),
                float(content.get("progress") or 0),
                lines[-1].strip()[:_LONGEST_CAUSE] if lines else "",
            )

    def _understanding(self, what: str) -> Any:
        return self._requests.understanding(what)


def mapping(labels: Sequence[Json], names: Sequence[str]) -> dict[str, Json]:
    """The label of a task for each label of a function, by name, as CVAT's requests take it.

    Explicit, because CVAT 2.15 fails to make its own for labels with attributes.

    Args:
        labels: Of the task, as the server gives them.
        names: Labels of the function that have one, from `labels.match_labels`.
    """
    exact = {label["name"].strip(): label["name"] for label in labels if label.get("parent_id") is None}
    return {name: {"name": exact[name], "attributes": {}} for name in names}


def _shape(label: str, content: Json) -> Shape:
    x1, y1, x2, y2 = (float(value) for value in content["points"])
    return Shape(label, (x1, y1, x2, y2))


def status_of(error: BaseException) -> int:
    """The HTTP status behind an error; 0 if there is none."""
    cause = error.__cause__
    while cause is not None and not isinstance(cause, ApiException):
        cause = cause.__cause__
    return (cause.status or 0) if cause is not None else 0


def _explained(
    url: str, what: str, error: CvatError, causes: Mapping[int, tuple[str, str]], name: str = ""
) -> CvatError:
    """The sentence of what a status means for functions; other faults as they are."""
    status = status_of(error)
    if status not in causes or status == 401:
        return error
    cause, remedy = causes[status]
    remedy = remedy.replace("NAME", name).replace("DIRECTORY", "functions/NAME".replace("NAME", name))
    return CvatError(f"{url}: {status} for {what}, {cause}; expected an answer. {remedy}")
