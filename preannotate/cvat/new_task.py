"""A new task of some images, whole or not at all.

cvat-sdk sends the images. Whether the server has made frames of them is polled here, because servers differ: newer ones
name a request, whose status is at /api/requests, 2.15 has it at the task.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from cvat_sdk import models
from cvat_sdk.core.exceptions import CvatSdkException
from cvat_sdk.core.uploading import DataUploader

from preannotate.cvat.errors import CvatError
from preannotate.cvat.requests import ATTEMPTS
from preannotate.cvat.server import Json, Server

# Images come as they are; only what CVAT shows while people draw is compressed, so weakly that nobody sees it.
IMAGE_QUALITY = 95
# Of one request: proxies in front of CVAT often refuse more than some dozen megabytes.
_REQUEST_BYTES = 20 << 20
FIRST_WAIT_SECONDS, MAX_WAIT_SECONDS = 0.5, 5.0
# Some hundred photos take a minute.
TIMEOUT_SECONDS = 1800.0
_ATTRIBUTE_FIELDS = ("name", "mutable", "input_type", "default_value", "values")


def create_task(
    server: Server,
    name: str,
    *,
    project: int | None,
    labels: Sequence[Json],
    images: Sequence[Path],
    begun: Callable[[int], None],
) -> int:
    """Create a task; if anything fails afterwards, Ctrl-C included, it is deleted again.

    Labels are those of the `project`, or, if it is None, `labels` as the server gives those of another task. `images`
    have different names; frames are in the order of the names. `begun` is called with the number of the task before
    anything is uploaded.

    Returns:
        The number of the task.

    Raises:
        CvatError: The server refuses, or does not answer.
    """
    belongs = {"labels": _labels(labels)} if project is None else {"project_id": project}
    request = models.TaskWriteRequest(name=name, **belongs)
    content = server.requests.json_once(f"a new task {name!r}", server.client.api_client.tasks_api.create, request)
    with server.parsing_response(f"new task {name!r}"):
        number = int(content["id"])
    try:
        begun(number)
        _wait(server, number, _upload(server, number, images))
    except BaseException as error:
        _take_back(server, number, error)
        raise
    return number


def delete_task(server: Server, number: int) -> None:
    """Delete a task; one that is gone already is fine."""

    def send() -> None:
        call = server.client.api_client.tasks_api.destroy
        status = server.requests.send(call, number, _check_status=False)
        if status not in (204, 404):
            raise CvatError(
                f"{server.url}: {status} for deleting the half-made task {number}; expected it gone. Delete it in CVAT."
            )

    server.requests.with_retries(f"deleting task {number}", send, attempts=ATTEMPTS)


def task_exists(server: Server, number: int) -> bool:
    """Return whether this user sees a task."""

    def send() -> bool:
        call = server.client.api_client.tasks_api.retrieve
        return server.requests.send(call, number, _check_status=False) == 200

    return server.requests.with_retries(f"task {number}", send)


def _take_back(server: Server, number: int, error: BaseException) -> None:
    """Delete a half-made task; if that fails, too, report both errors."""
    try:
        delete_task(server, number)
    except CvatError as stuck:
        if isinstance(error, CvatError):
            raise CvatError(
                f"{error} And the half-made task {number} could not be deleted: the same command tries again."
            ) from stuck


def _labels(labels: Sequence[Json]) -> list[models.PatchedLabelRequest]:
    """Labels without what belongs to the other task; skeletons are left out, for they refer to it throughout."""
    return [
        models.PatchedLabelRequest(
            name=label["name"],
            color=label.get("color") or "",
            type=label.get("type") or "any",
            attributes=[
                models.AttributeRequest(**{key: one[key] for key in _ATTRIBUTE_FIELDS if key in one})
                for one in label.get("attributes", ())
            ],
        )
        for label in labels
        if label.get("parent_id") is None and label.get("type") != "skeleton"
    ]


def _upload(server: Server, number: int, images: Sequence[Path]) -> str | None:
    """Send the images; returns the number of the server's request if it names one."""
    api = server.client.api_client
    address = server.client.api_map.make_endpoint_url(api.tasks_api.create_data_endpoint.path, kwsub={"id": number})

    def send() -> bytes:
        uploader = DataUploader(server.client, max_request_size=_REQUEST_BYTES)
        try:
            return uploader.upload_files(
                address, list(images), image_quality=IMAGE_QUALITY, sorting_method="lexicographical"
            ).data
        except CvatSdkException as error:
            raise CvatError(
                f"{server.url}: the images of task {number} did not arrive ({error}); expected all of them. "
                f"Check the network and the proxy's limits, then try again."
            ) from error

    content = server.requests.with_retries(f"the images of task {number}", send, attempts=1)
    try:
        return json.loads(content).get("rq_id")
    except (ValueError, AttributeError):  # 2.15 repeats what it was sent
        return None


def _wait(server: Server, number: int, request: str | None) -> None:
    """Until the server has made frames of the images."""
    api = server.client.api_client
    until = time.monotonic() + TIMEOUT_SECONDS
    pause = FIRST_WAIT_SECONDS
    what = f"the creation of task {number}"
    while True:
        if request is None:
            answer = server.requests.json(what, api.tasks_api.retrieve_status, number)
        else:
            answer = server.requests.json(what, api.requests_api.retrieve, request)
        state, message = _state(server, answer, what)
        if state == "finished":
            return
        if state == "failed":
            raise CvatError(
                f"{server.url}: task {number} could not be made of the images ({message}); expected frames. "
                f"`docker logs --tail 100 cvat_worker_import` shows why."
            )
        if time.monotonic() > until:
            raise CvatError(
                f"{server.url}: task {number} is not made after {TIMEOUT_SECONDS / 60:.0f} minutes; expected frames. "
                f"Check that cvat_worker_import runs: docker ps."
            )
        time.sleep(pause)
        pause = min(2 * pause, MAX_WAIT_SECONDS)


def _state(server: Server, answer: Mapping[str, object], what: str) -> tuple[str, str]:
    """State in lower case, and the server's message on one line."""
    with server.parsing_response(what):
        state = str(answer["status"] if "status" in answer else answer["state"]).lower()
        return state, " ".join(str(answer.get("message") or "no message").split())[:200]
