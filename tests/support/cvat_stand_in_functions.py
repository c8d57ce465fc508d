"""The stand-in's `lambda_manager`: it asks a dashboard of nuclio for functions and calls them, as CVAT does.

So the real `preannotate serve` can stand behind the real cvat-sdk. Answers of online calls are those of CVAT 2.15 (the
function's own list) and of newer ones (an object with ids); a batch calls the function frame by frame, in a thread
of its own, and saves shapes of the source "auto" every hundred frames and at its end.
"""

import base64
import contextlib
import itertools
import json
import threading
import time
import urllib.error
import urllib.request
import uuid
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from support.cvat_stand_in import Response

DETECTOR = "detector"
SAVED_EVERY = 100
# The name of the key, of CVAT 2.15 and of newer ones.
_TO_POLYGONS = {False: "convMaskToPoly", True: "conv_mask_to_poly"}


@dataclass
class FakeRequest:
    """A batch."""

    id: str
    function: str
    task: int
    job: int | None
    mapping: dict[str, Any]
    to_polygons: bool = False
    status: str = "queued"
    progress: int = 0
    exc_info: str | None = None
    thread: threading.Thread | None = None

    @property
    def active(self) -> bool:
        return self.status in ("queued", "started")


@dataclass
class Lambda:
    """Put `page` into `StandIn.pages`.

    Attributes:
        cvat: The stand-in.
        dashboard: Address; "" has CVAT reach none.
        switched_on: The MODELS plugin.
        hold: Batches wait while this is not set.
        status: Answers every page of functions with this status, if it is one.
    """

    cvat: Any
    dashboard: str = ""
    switched_on: bool = True
    hold: threading.Event = field(default_factory=threading.Event)
    status: int = 0
    requests: list[FakeRequest] = field(default_factory=list)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    calls: int = 0

    def __post_init__(self) -> None:
        self.hold.set()

    def page(self, request: Any) -> Any:
        """As `StandIn.pages` want it."""
        if not request.path.startswith(("/api/lambda/", "/api/server/plugins")):
            return None
        status, content = self._answer(request.method, request.path, json.loads(request.body or b"{}"))
        return Response(status, content)

    def _answer(self, method: str, path: str, body: dict[str, Any]) -> tuple[int, Any]:
        cvat = self.cvat
        if path == "/api/server/plugins":
            return 200, {"GIT_INTEGRATION": False, "ANALYTICS": True, "MODELS": self.switched_on, "PREDICT": False}
        if self.status:
            return self.status, "no"
        if body:
            self.bodies.append(body)
        try:
            match [method, *path.removeprefix("/api/lambda/").split("/")]:
                case ["GET", "functions"]:
                    return 200, [self._listed(one) for one in self._ask("/api/functions").values()]
                case ["GET", "functions", name]:
                    return 200, self._listed(self._ask(f"/api/functions/{name}"))
                case ["POST", "functions", name]:
                    return self._online(cvat, name, body)
                case ["POST", "requests"]:
                    return self._begin(cvat, body)
                case ["GET", "requests"]:
                    return 200, [self._told(one) for one in self.requests if one.status != "failed"]
                case ["GET", "requests", number]:
                    found = [one for one in self.requests if one.id == unquote(number)]
                    return (200, self._told(found[0])) if found else (404, {"detail": "Not found."})
                case ["DELETE", "requests", number]:
                    assert any(one.id == unquote(number) for one in self.requests)
                    self.requests = [one for one in self.requests if one.id != unquote(number)]
                    return 204, b""
        except urllib.error.HTTPError as error:
            return error.code, f"{error.code} Server Error for url: {error.url}"
        except (urllib.error.URLError, ConnectionError) as error:
            return 503, str(error)
        return 404, {"detail": "Not found."}

    def finish(self) -> None:
        """Wait for batches that run."""
        self.hold.set()
        for request in self.requests:
            request.thread.join(30)

    def _ask(self, path: str, body: Any = None, **headers: str) -> Any:
        assert "//" not in path
        request = urllib.request.Request(
            self.dashboard + path if self.dashboard else "http://127.0.0.1:9",
            None if body is None else json.dumps(body).encode(),
            {
                "x-nuclio-project-name": "cvat",
                "x-nuclio-function-namespace": "nuclio",
                "x-nuclio-invoke-via": "domain-name",
                "X-Nuclio-Invoke-Timeout": "120s",
                "Content-Type": "application/json",
                **headers,
            },
        )
        with urllib.request.urlopen(request, timeout=120) as response:
            return json.load(response)

    def _listed(self, content: dict[str, Any]) -> dict[str, Any]:
        annotations = content["metadata"]["annotations"]
        labels = json.loads(annotations.get("spec") or "[]")
        return {
            "id": content["metadata"]["name"],
            "kind": annotations["type"],
            "labels_v2": [
                {"name": one["name"], "type": one.get("type", "unknown"), "attributes": one.get("attributes", [])}
                for one in labels
            ],
            "description": content["spec"]["description"],
            "name": annotations.get("name", content["metadata"]["name"]),
            "version": int(annotations.get("version", 1)),
        }

    def _call(self, name: str, image: bytes, threshold: float | None = None) -> list[dict[str, Any]]:
        self.calls += 1
        body = {"image": base64.b64encode(image).decode()}
        if threshold:  # CVAT passes on what is true: an explicit 0 is none
            body["threshold"] = threshold
        path = "/api/function_invocations"
        return self._ask(path, body, **{"x-nuclio-function-name": name, "x-nuclio-path": "/"})

    def _mapped(self, task: Any, name: str, mapping: dict[str, Any]) -> dict[str, Any] | str:
        """Name of the function's label to the task's label, or why the mapping is refused."""
        known = {one["name"]: one["type"] for one in self._listed(self._ask(f"/api/functions/{name}"))["labels_v2"]}
        labels = {label.name: label for label in task.labels}
        for mine, theirs in mapping.items():
            if mine not in known:
                return f'Invalid mapping. Unknown model label "{mine}"'
            if theirs["name"] not in labels:
                return f'Invalid mapping. Unknown db label "{theirs["name"]}"'
            types = {known[mine], labels[theirs["name"]].type}
            if len(types) > 1 and "any" not in types and not types <= {"mask", "polygon"}:
                return f'Invalid mapping. Model label "{mine}" and db label are not compatible'
        return {mine: labels[theirs["name"]] for mine, theirs in mapping.items()}

    def _online(self, cvat: Any, name: str, body: dict[str, Any]) -> tuple[int, Any]:
        task = cvat.tasks[body["task"]]
        mapped = self._mapped(task, name, body["mapping"])
        if isinstance(mapped, str):
            return 400, mapped
        found = self._call(name, task.images[body["frame"]][1], body.get("threshold"))
        found = [one for one in found if one["label"] in mapped]
        if not cvat.new:
            return 200, [one | {"label": mapped[one["label"]].name, "attributes": []} for one in found]
        shapes = [self._shape(body["frame"], one, mapped, to_polygons=False) for one in found]
        return 200, {"version": 0, "tags": [], "shapes": shapes, "tracks": []}

    def _shape(self, frame: int, found: dict[str, Any], mapped: dict[str, Any], *, to_polygons: bool) -> dict[str, Any]:
        kind, points = found["type"], found["points"]
        if kind == "mask" and to_polygons:
            kind = "polygon"
        elif kind == "mask":
            runs = [len(list(run)) for _, run in itertools.groupby(found["mask"][:-4])]
            points = [*([0] if found["mask"][0] else []), *runs, *found["mask"][-4:]]
        return {
            "id": 1, "frame": frame, "label_id": mapped[found["label"]].id, "type": kind,
            "points": points, "rotation": 0.0, "occluded": False, "outside": False, "z_order": 0, "group": 0,
            "source": "auto", "attributes": [], "elements": [],
        }  # fmt: skip

    def _begin(self, cvat: Any, body: dict[str, Any]) -> tuple[int, Any]:
        task = cvat.tasks[body["task"]]
        if any(one.task == task.id and one.active for one in self.requests):
            return 409, f"Only one running request is allowed for the same task #{task.id}"
        mapped = self._mapped(task, body["function"], body["mapping"])
        if isinstance(mapped, str):
            return 400, mapped
        # Newer servers make the id of what the request is about; it needs percent-encoding.
        number = f"action=autoannotate&target=task&id={task.id}/{len(self.requests)}" if cvat.new else str(uuid.uuid4())
        request = FakeRequest(number, body["function"], task.id, body.get("job"), mapped, body[_TO_POLYGONS[cvat.new]])
        request.thread = threading.Thread(target=self._work, args=(cvat, task, request), daemon=True)
        self.requests.append(request)
        answer = self._told(request)
        request.thread.start()
        return 200, answer

    def _work(self, cvat: Any, task: Any, request: FakeRequest) -> None:
        self.hold.wait(30)
        job = next(one for one in task.jobs if one.id == request.job)
        shapes: list[dict[str, Any]] = []
        request.status = "started"
        try:
            for frame in range(job.start, job.stop + 1):
                self.hold.wait(30)
                if request not in self.requests:
                    return
                if frame in task.deleted:
                    continue
                found = self._call(request.function, task.images[frame][1])
                found = [one for one in found if one["label"] in request.mapping]
                shapes += [self._shape(frame, one, request.mapping, to_polygons=request.to_polygons) for one in found]
                request.progress = 100 * (frame + 1) // len(task.images)
                if frame and frame % SAVED_EVERY == 0:
                    job.shapes += shapes
                    shapes = []
            job.shapes += shapes
            request.status = "finished"
        except Exception as error:
            request.exc_info = f"Traceback (most recent call last):\n  …\nrequests.exceptions.HTTPError: {error}\n"
            request.status = "failed"

    def _told(self, request: FakeRequest) -> dict[str, Any]:
        function = {"id": request.function, "task": request.task, "threshold": None}
        return {
            "id": request.id, "function": function | ({"job": request.job} if request.job else {}),
            "status": request.status, "progress": request.progress, "enqueued": "2026-11-02T10:00:00Z",
            "started": None, "ended": None, "exc_info": request.exc_info,
        }  # fmt: skip


def wait_until(true: Any, seconds: float = 120) -> None:
    """Until something is so."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        with contextlib.suppress(InterruptedError):
            time.sleep(0.02)
