"""CVAT's `/api/lambda`: the list of functions, calls of one, and automatic annotation of a job.

The responses are those of the server's `lambda_manager`, 2.15 and newer. A call saves nothing; older servers return
the function's own list, newer ones an object with ids of labels, and both are read here. A request saves shapes of the
source `auto` beside the existing ones, frame by frame, one request per task at a time; its id is opaque.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from cvat_sdk.api_client.exceptions import ApiException

from evaluation.polygon_filling import polygon_mask
from preannotate.cvat.errors import CvatError
from preannotate.cvat.limited_http import LARGE, LIST, Limits
from preannotate.cvat.requests import server_message
from preannotate.cvat.response_checks import FUNCTIONS, checked
from preannotate.cvat.server import Json, Server
from runtime.image_limits import MAX_PIXELS
from runtime.masks import InstanceMask

DETECTOR = "detector"
# CVAT itself waits 120 s for a function.
CALL_TIMEOUT_SECONDS = (10.0, 130.0)
# Older servers pass on masks as functions give them, a number for each pixel (`runtime.cvat.MAX_MASK_PIXELS`).
_CALL = Limits(LARGE.max_bytes, sum(CALL_TIMEOUT_SECONDS))
_MAX_CAUSE_LENGTH = 200
_FIND_FUNCTION = (
    "Find the function with `preannotate doctor --nuclio http://HOST:8070`, and the cause with "
    "`docker logs --tail 100 cvat_server`."
)
# HTTP status of the list: its meaning, and what to do.
LIST_STATUS = {
    403: ("this user may not list models", "Ask an administrator of CVAT to add the user to the group `user`."),
    404: (
        "there is no such page, or (CVAT before 2.28) a function has a duplicate label or attribute",
        f"Check the URL, then the functions. {_FIND_FUNCTION}",
    ),
    500: ("a function has metadata that CVAT cannot read, which empties the list for everybody", _FIND_FUNCTION),
    503: (
        "CVAT cannot reach nuclio",
        "Start nuclio's dashboard or `preannotate serve`, and check CVAT_NUCLIO_HOST, CVAT_NUCLIO_PORT and no_proxy of "
        "cvat_server with `preannotate doctor` on its machine.",
    ),
    504: (
        "nuclio does not answer CVAT in time",
        "Run `docker restart nuclio`; if it happens again, look into `docker logs --tail 50 nuclio`.",
    ),
}
# HTTP status of a call: its meaning, and what to do. NAME and DIRECTORY are replaced.
CALL_STATUS = {
    400: ("the function or CVAT rejected the request", "Check task and frame, then the function's log."),
    403: ("this user may not call models on the task", "Use a user who may annotate the task."),
    404: ("CVAT or nuclio does not know the function or the task", "Check the name and the number of the task."),
    408: (
        "the function took longer than its eventTimeout; nuclio ended its worker, which loads the model again",
        "Give it more CPU time, or raise eventTimeout in function.yaml (at most 55s).",
    ),
    500: (
        "the function failed",
        "Find the cause with `docker logs --tail 100 nuclio-nuclio-NAME` or `preannotate doctor DIRECTORY`.",
    ),
    502: (
        "something between CVAT and the function failed",
        "Find the cause with `docker logs --tail 100 nuclio-nuclio-NAME`.",
    ),
    503: (
        "CVAT cannot reach the function, or all of its workers are busy",
        "Run `preannotate doctor DIRECTORY` on nuclio's machine to compare the ports; a fixed `port:` in function.yaml "
        "keeps them equal.",
    ),
    504: (
        "no response in time",
        "Try again, because the first request after a start may be slow; then look for what uses the CPU (top).",
    ),
}


class RequestStatus(StrEnum):
    """Status of an automatic annotation; newer servers have more for ended ones."""

    QUEUED = "queued"
    STARTED = "started"
    SCHEDULED = "scheduled"
    DEFERRED = "deferred"
    FINISHED = "finished"
    FAILED = "failed"


# These may still add shapes.
_ACTIVE = (RequestStatus.QUEUED, RequestStatus.STARTED, RequestStatus.SCHEDULED, RequestStatus.DEFERRED)


@dataclass(frozen=True)
class ListedFunction:
    """A function as CVAT lists it.

    Attributes:
        id: Its name in nuclio or `preannotate serve`.
        kind: `DETECTOR`, …
        labels: Name to type ("rectangle", …), in order.
    """

    id: str
    kind: str
    labels: Mapping[str, str]


@dataclass(frozen=True)
class FoundShape:
    """A shape of a call.

    Attributes:
        label: Name of the task's label.
        box: (x1, y1, x2, y2) around it, in image pixels.
        type: "rectangle", "polygon" or "mask".
        mask: Pixels of a mask, or inside of a polygon; None of a rectangle, and where no pixel is inside.
    """

    label: str
    box: tuple[float, float, float, float]
    type: str = "rectangle"
    mask: InstanceMask | None = None


@dataclass(frozen=True)
class BatchRequest:
    """An automatic annotation.

    Attributes:
        id: Opaque.
        function: Id of the function.
        job: None is the whole task.
        status: A `RequestStatus`, or another that a server has for ended requests.
        progress: Percentage of the task's frames.
        cause: Last line of the traceback of a failed request, else "".
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

    def __init__(self, server: Server) -> None:
        self._api = server.client.api_client
        self._requests = server.requests
        self.url = server.url

    def switched_on(self) -> bool:
        """Return whether CVAT was started with its serverless part; True if the server does not say."""
        plugins = self._requests.json("its plugins", self._api.server_api.retrieve_plugins)
        return not (isinstance(plugins, dict) and plugins.get("MODELS") is False)

    def listed(self) -> dict[str, ListedFunction]:
        """Return id to function, as the Models page shows them.

        Raises:
            CvatError: CVAT has no list, cannot reach nuclio, or does not let this user see it.
        """
        try:
            content = self._requests.json("the functions", self._api.lambda_api.list_functions, limits=LIST)
        except CvatError as error:
            raise _explain(self.url, "the list of functions", error, LIST_STATUS) from error
        checked(self.url, "the list of functions", content, FUNCTIONS)
        with self._requests.parsing_response("the list of functions"):
            found = [
                ListedFunction(
                    str(entry["id"]),
                    str(entry.get("kind", "")),
                    {str(label["name"]): str(label.get("type", "any")) for label in entry.get("labels_v2") or ()},
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
        *,
        timeout: tuple[float, float] = CALL_TIMEOUT_SECONDS,
    ) -> list[FoundShape]:
        """Return what a function finds on one frame (relative number), without retries; nothing is saved.

        `mapping` is that of `label_mapping`, `labels` maps ids of the task's labels to names. `threshold` is the
        minimum score, above 0; None uses the function's own. `timeout` is in seconds: to connect, and for the response.

        Raises:
            CvatError: CVAT or the function rejects the call or fails.
        """
        what = f"a call of {function} on frame {frame} of task {task}"
        body = {"task": task, "frame": frame, "mapping": dict(mapping)}
        if threshold is not None:
            body["threshold"] = threshold
        try:
            call = functools.partial(self._requests.json_once, limits=_CALL, _request_timeout=timeout)
            answer = self._post(call, "/api/lambda/functions/{id}", what, body, id=function)
        except CvatError as error:
            raise _explain(self.url, what, error, CALL_STATUS, name=function) from error
        with self._requests.parsing_response(what):
            if isinstance(answer, dict):
                return [_shape(labels[entry["label_id"]], entry) for entry in answer["shapes"]]
            return [_shape(entry["label"], entry) for entry in answer]

    def start(
        self, function: str, task: int, job: int, mapping: Mapping[str, Json], *, to_polygons: bool = False
    ) -> BatchRequest:
        """Have CVAT annotate all frames of a job; existing shapes stay.

        If the response is lost, the next attempt finds the request that the first one began. `mapping` is that of
        `label_mapping`. `to_polygons` stores the polygons that a function gives beside its masks.

        Raises:
            TaskBusyError: Another request works on the task.
            CvatError: CVAT rejects the request or fails.
        """
        what = f"automatic annotation of job {job}"
        body = {
            "function": function,
            "task": task,
            "job": job,
            "cleanup": False,
            # The newer name and the older; servers ignore fields that they do not know.
            "conv_mask_to_poly": to_polygons,
            "convMaskToPoly": to_polygons,
            "mapping": dict(mapping),
        }
        try:
            call = functools.partial(self._requests.json, limits=_CALL, _request_timeout=CALL_TIMEOUT_SECONDS)
            answer = self._post(call, "/api/lambda/requests", what, body)
        except CvatError as error:
            if error.status == 409:
                raise TaskBusyError(
                    f"{self.url}: 409 for {what}, task {task} has another automatic annotation; expected none. "
                    f"Wait for it, or stop it on CVAT's Tasks page."
                ) from error
            raise _explain(self.url, what, error, CALL_STATUS, name=function) from error
        return self._request(answer)

    def request(self, number: str) -> BatchRequest | None:
        """Return the state of a request; None if the server does not know it any more."""
        call = self._api.call_api
        try:
            answer = self._requests.json(
                "an automatic annotation", call, "/api/lambda/requests/{id}", "GET", **self._options(id=number)
            )
        except CvatError as error:
            if error.status == 404:
                return None
            raise
        return self._request(answer)

    def active(self, task: int) -> BatchRequest | None:
        """Return the queued or running request of a task; None if there is none."""
        content = self._requests.json("the automatic annotations", self._api.lambda_api.list_requests, limits=LIST)
        with self._requests.parsing_response("the list of automatic annotations"):
            found = [self._request(entry) for entry in content]
        return next((request for request in found if request.task == task and request.active), None)

    def cancel(self, number: str) -> None:
        """Stop a request at its next frame; an ended one is no error."""

        def send() -> None:
            self._requests.send(self._api.call_api, "/api/lambda/requests/{id}", "DELETE", **self._options(id=number))

        try:
            self._requests.with_retries("the end of an automatic annotation", send)
        except CvatError as error:
            if error.status != 404:
                raise

    def _post(self, send: Callable[..., Any], path: str, what: str, body: Json, **ids: str) -> Any:
        """The SDK's own model of an online call knows neither frame nor mapping."""
        options = self._options(**ids)
        options["header_params"]["Content-Type"] = "application/json"
        call = self._api.call_api
        return send(what, call, path, "POST", body=body, **options)

    def _options(self, **ids: str) -> dict[str, Any]:
        """Login and path of a request; an id is percent-encoded by the SDK."""
        return {
            "path_params": ids,
            "query_params": [],
            "header_params": {"Accept": "application/vnd.cvat+json"},
            "auth_settings": self._api.lambda_api.create_requests_endpoint.settings["auth"],
        }

    def _request(self, content: Any) -> BatchRequest:
        with self._requests.parsing_response("an automatic annotation"):
            function = content["function"]
            lines = (content.get("exc_info") or "").strip().splitlines()
            return BatchRequest(
                str(content["id"]),
                str(function["id"]),
                int(function["task"]),
                function.get("job"),
                str(content["status"]).lower(),
                float(content.get("progress") or 0),
                lines[-1].strip()[:_MAX_CAUSE_LENGTH] if lines else "",
            )


def label_mapping(labels: Sequence[Json], names: Sequence[str]) -> dict[str, Json]:
    """Return the label of a task for each label of a function, by name, in the form of CVAT's requests.

    Explicit, because CVAT 2.15 fails to make its own for labels with attributes. `labels` are the task's, as the server
    gives them; `names` are those of the function that are among them.
    """
    exact = {label["name"].strip(): label["name"] for label in labels if label.get("parent_id") is None}
    return {name: {"name": exact[name], "attributes": {}} for name in names}


def _shape(label: str, content: Json) -> FoundShape:
    kind, points = str(content.get("type", "rectangle")), [float(value) for value in content["points"]]
    if kind == "mask":  # older servers pass on the function's own list, newer ones what they would store
        mask = _mask_of_pixels(content["mask"]) if "mask" in content else _mask_of_runs(points)
        return FoundShape(label, mask.box, kind, mask)
    if kind == "polygon":
        box = (min(points[::2]), min(points[1::2]), max(points[::2]), max(points[1::2]))
        return FoundShape(label, box, kind, polygon_mask(np.array(points).reshape(-1, 2)))
    x1, y1, x2, y2 = points
    return FoundShape(label, (x1, y1, x2, y2), kind)


def _mask_of_pixels(values: Sequence[float]) -> InstanceMask:
    """Read a 0 or a 1 for each pixel of a box, then the box, both ends inclusive."""
    pixels, (left, top, right, bottom) = _numbers_and_box(values)
    return _not_empty(InstanceMask.from_bitmap(pixels.reshape(bottom - top + 1, right - left + 1), left, top))


def _mask_of_runs(values: Sequence[float]) -> InstanceMask:
    """Read what `runtime.cvat.mask_points` writes."""
    runs, (left, top, right, bottom) = _numbers_and_box(values)
    size = {"width": right - left + 1, "height": bottom - top + 1}
    return _not_empty(InstanceMask.from_runs(runs, left=left, top=top, **size))


def _numbers_and_box(values: Sequence[float]) -> tuple[np.ndarray, tuple[int, int, int, int]]:
    numbers = np.array(values)  # there may be millions
    if numbers.dtype.kind not in "iuf" or len(numbers) < 5 or not (np.abs(numbers) <= MAX_PIXELS).all():
        raise ValueError("a mask of other than numbers of pixels")
    whole = numbers.astype(np.int64)
    if (whole != numbers).any():
        raise ValueError("a mask of other than whole numbers")
    left, top, right, bottom = whole[-4:].tolist()
    return whole[:-4], (left, top, right, bottom)


def _not_empty(mask: InstanceMask | None) -> InstanceMask:
    if mask is None:
        raise ValueError("a mask without a pixel")
    return mask


def _explain(url: str, what: str, error: CvatError, causes: Mapping[int, tuple[str, str]], name: str = "") -> CvatError:
    """The sentence for what a status means for functions; other errors as they are."""
    if error.status is None or error.status not in causes:
        return error
    cause, remedy = causes[error.status]
    remedy = remedy.replace("NAME", name).replace("DIRECTORY", f"functions/{name}")
    message = server_message(error.__cause__) if isinstance(error.__cause__, ApiException) else ""
    return CvatError(
        f"{url}: {error.status} for {what}, {cause}{message}; expected a response. {remedy}", status=error.status
    )
