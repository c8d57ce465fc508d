"""A stand-in for CVAT's REST API on loopback: the pages that are used here, as CVAT 2.15 and 2.80 answer them.

Shapes of answers are those of the server's serializers and of cvat-sdk's models; addresses and their trailing
slashes those that cvat-sdk asks for. What the older server does not have is absent: access tokens, the
validation layout, `validation_mode`, `media_type`, `chunks_updated_date`. Everything can be changed while it runs, and
faults can be switched on for addresses that begin so.
"""

import contextlib
import io
import json
import ssl
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from PIL import Image

OLD, NEW = "2.15.0", "2.80.0"
# Parameters of fixtures: `make test` runs the newer version alone.
VERSIONS = (pytest.param(OLD, marks=pytest.mark.slow), NEW)
TOKEN, USER, PASSWORD = "a-token-of-ann", "ann", "correct horse"
_DEFAULT_PAGE_SIZE, _LONGEST_PAGE = 10, 500


def picture(seed: int, size: tuple[int, int] = (64, 48), kind: str = "PNG") -> bytes:
    """A small image of its own colour."""
    stream = io.BytesIO()
    Image.new("RGB", size, (seed * 37 % 256, seed * 91 % 256, seed * 53 % 256)).save(stream, kind)
    return stream.getvalue()


def rectangle(frame: int, label_id: int, points: list[float], **more: Any) -> dict[str, Any]:
    """A shape as `GET annotations` gives it; `more` replaces fields."""
    return {
        "id": 1, "type": "rectangle", "frame": frame, "label_id": label_id, "points": points, "rotation": 0.0,
        "occluded": False, "outside": False, "z_order": 0, "group": 0, "source": "manual", "attributes": [],
        "elements": [],
    } | more  # fmt: skip


def key_frame(frame: int, points: list[float], **more: Any) -> dict[str, Any]:
    """One of a track's shapes."""
    return {
        "id": 3, "frame": frame, "type": "rectangle", "points": points, "outside": False, "occluded": False,
        "z_order": 0, "rotation": 0.0, "attributes": [],
    } | more  # fmt: skip


def track(label_id: int, *keys: dict[str, Any], source: str = "manual") -> dict[str, Any]:
    """A track of key frames."""
    return {
        "id": 2, "frame": keys[0]["frame"], "label_id": label_id, "group": 0, "source": source, "attributes": [],
        "elements": [], "shapes": list(keys),
    }  # fmt: skip


def tag(frame: int, label_id: int) -> dict[str, Any]:
    """A tag."""
    return {"id": 1, "frame": frame, "label_id": label_id, "group": 0, "source": "manual", "attributes": []}


@dataclass
class FakeLabel:
    """A label; `parent_id` is that of a part of a skeleton."""

    id: int
    name: str
    type: str = "any"
    color: str = "#ff0000"
    parent_id: int | None = None
    attributes: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class FakeJob:
    """A job; `included` are absolute frames, as the server says them."""

    id: int
    start: int
    stop: int
    state: str = "in progress"
    stage: str = "annotation"
    type: str = "annotation"
    updated: str = "2026-11-02T10:00:00.000000Z"
    included: list[int] | None = None
    disabled: list[int] = field(default_factory=list)
    shapes: list[dict[str, Any]] = field(default_factory=list)
    tracks: list[dict[str, Any]] = field(default_factory=list)
    tags: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class FakeTask:
    """A task; `images` are names and contents, of a video only contents count."""

    id: int
    images: list[tuple[str, bytes]]
    labels: list[FakeLabel]
    jobs: list[FakeJob]
    name: str = "dock"
    video: bool = False
    project_id: int | None = None
    organization: str | None = None
    deleted: list[int] = field(default_factory=list)
    start: int = 0
    step: int = 1
    dimension: str = "2d"
    updated: str = "2026-11-02T10:00:00.000000Z"
    chunks_updated: str = "2026-11-01T09:00:00.000000Z"
    honeypots: dict[int, int] = field(default_factory=dict)
    media_type: str = ""


@dataclass
class Fault:
    """What goes wrong on addresses that begin so, `times` times; see `StandIn._fail`."""

    prefix: str
    kind: str
    times: int
    status: int = 500


@dataclass(frozen=True)
class Request:
    """What a page beyond those of this file is asked; `body` is b"" without one."""

    method: str
    path: str
    query: dict[str, str]
    headers: Mapping[str, str]
    body: bytes = b""


@dataclass(frozen=True)
class Response:
    """What it answers; `content` is JSON or bytes."""

    status: int
    content: Any
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class StandIn:
    """The server; its content is what a test puts into `tasks` and `projects`, more pages into `pages`."""

    version: str = NEW
    url: str = ""
    tasks: dict[int, FakeTask] = field(default_factory=dict)
    projects: list[int] = field(default_factory=list)
    tokens: set[str] = field(default_factory=lambda: {TOKEN})
    faults: list[Fault] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)
    pages: list[Callable[[Request], Response | None]] = field(default_factory=list)

    def add(self, task: FakeTask) -> FakeTask:
        """Put a task in."""
        self.tasks[task.id] = task
        return task

    def fail(self, prefix: str, kind: str, *, times: int = 1_000_000, status: int = 500) -> None:
        """Switch a fault on: "status", "cut", "slow", "garbage" or "vanish" (the connection is closed);
        "no cookies" for the login, "lost" for what is done without an answer. Changes begin with "PATCH "."""
        self.faults.append(Fault(prefix, kind, times, status))

    def asked(self, beginning: str) -> list[str]:
        """The requests so far that begin so."""
        return [request for request in self.requests if request.startswith(beginning)]

    @contextlib.contextmanager
    def running(self, context: ssl.SSLContext | None = None) -> Iterator["StandIn"]:
        """Listen on a free port."""
        server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"cvat": self}))
        if context is not None:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        self.url = f"{'http' if context is None else 'https'}://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield self
        finally:
            self.released.set()
            server.shutdown()
            thread.join()
            server.server_close()

    @property
    def new(self) -> bool:
        """Whether it is the newer server."""
        return self.version != OLD

    def fault(self, path: str) -> Fault | None:
        """The fault that this request meets."""
        with self.lock:
            for fault in self.faults:
                if fault.times and path.startswith(fault.prefix):
                    fault.times -= 1
                    return fault
        return None

    def answer(self, path: str, query: dict[str, str], organization: str | None) -> tuple[int, Any]:
        """Status, and JSON or bytes, of a GET."""
        parts = path.removeprefix("/api/").split("/")
        try:
            match parts:
                case ["tasks"]:
                    listed = [one for one in self._visible(organization) if str(one.project_id) == query["project_id"]]
                    return self._page(path, query, [self._task(one) for one in listed])
                case ["jobs"]:
                    task = self._found(int(query["task_id"]), organization)
                    return self._page(path, query, [self._job(task, job) for job in task.jobs])
                case ["labels"]:
                    task = self._found(int(query["task_id"]), organization)
                    return self._page(path, query, [self._label(task, label) for label in task.labels])
                case ["projects", number] if int(number) in self.projects:
                    return 200, {"id": int(number), "name": "a project"}
                case ["tasks", number]:
                    return 200, self._task(self._found(int(number), organization))
                case ["tasks", number, "data", "meta"]:
                    return 200, self._meta(self._found(int(number), organization))
                case ["tasks", number, "validation_layout"] if self.new:
                    return 200, self._layout(self._found(int(number), organization))
                case ["tasks", number, "data", ""]:
                    task = self._found(int(number), organization)
                    assert query["type"] == "frame"
                    assert query["quality"] == "original"
                    return 200, task.images[int(query["number"])][1]
                case ["jobs", number]:
                    return 200, self._job(*self._job_of(int(number), organization))
                case ["jobs", number, "data", "meta"]:
                    task, job = self._job_of(int(number), organization)
                    deleted = sorted({*task.deleted, *job.disabled})
                    return 200, self._meta(task) | {"deleted_frames": deleted, "included_frames": job.included}
                case ["jobs", number, "annotations", ""]:
                    _, job = self._job_of(int(number), organization)
                    return 200, {"version": 0, "tags": job.tags, "shapes": job.shapes, "tracks": job.tracks}
        except LookupError:
            pass
        return 404, {"detail": "Not found."}

    def create(self, path: str, body: dict[str, Any]) -> tuple[int, Any]:
        """Status and JSON of a PATCH that adds shapes to a job, as the server checks them."""
        task, job = self._job_of(int(path.split("/")[3]), None)
        labels = {label.id: label for label in task.labels}
        for shape in body["shapes"]:
            if shape["label_id"] not in labels or labels[shape["label_id"]].type not in ("any", shape["type"]):
                return 400, [f"label_id {shape['label_id']} is invalid"]
            assert job.start <= shape["frame"] <= job.stop
            assert shape["source"] in ("auto", "manual")
            assert all(isinstance(one["value"], str) for one in shape["attributes"])
        created = [rectangle(0, 0, []) | shape for shape in body["shapes"]]
        job.shapes += created
        return 200, {"version": 1, "tags": [], "shapes": created, "tracks": []}

    def _visible(self, organization: str | None) -> list[FakeTask]:
        tasks = self.tasks.values()
        return [one for one in tasks if organization is None or (one.organization or "") == organization]

    def _found(self, number: int, organization: str | None) -> FakeTask:
        return {task.id: task for task in self._visible(organization)}[number]

    def _job_of(self, number: int, organization: str | None) -> tuple[FakeTask, FakeJob]:
        return {job.id: (task, job) for task in self._visible(organization) for job in task.jobs}[number]

    def _page(self, path: str, query: dict[str, str], entries: list[Any]) -> tuple[int, Any]:
        entries = sorted(entries, key=lambda entry: -entry["id"])  # the newest first
        size = min(int(query.get("page_size", _DEFAULT_PAGE_SIZE)), _LONGEST_PAGE)
        page = int(query.get("page", 1))
        here = entries[(page - 1) * size : page * size]
        if not here and page > 1:
            return 404, {"detail": "Invalid page."}
        more = f"{self.url}{path}?page={page + 1}" if page * size < len(entries) else None
        return 200, {"count": len(entries), "next": more, "previous": None, "results": here}

    def _task(self, task: FakeTask) -> dict[str, Any]:
        content = {
            "url": f"{self.url}/api/tasks/{task.id}", "id": task.id, "name": task.name, "project_id": task.project_id,
            "mode": "interpolation" if task.video else "annotation", "owner": None, "assignee": None, "bug_tracker": "",
            "created_date": "2026-11-01T09:00:00.000000Z", "updated_date": task.updated, "overlap": 0,
            "segment_size": len(task.images), "status": "annotation", "data_chunk_size": 72,
            "data_compressed_chunk_type": "imageset", "data_original_chunk_type": "imageset", "size": len(task.images),
            "image_quality": 70, "data": task.id, "dimension": task.dimension, "subset": "",
            "organization": None if task.organization is None else 1, "target_storage": None, "source_storage": None,
            "jobs": {"count": len(task.jobs), "completed": 0, "validation": 0, "url": ""}, "labels": {"url": ""},
        }  # fmt: skip
        if self.new:
            ground_truth = any(job.type == "ground_truth" for job in task.jobs)
            mode = "gt_pool" if task.honeypots else "gt" if ground_truth else None
            kind = task.media_type or ("video" if task.video else "image")
            content |= {"media_type": kind, "validation_mode": mode}
            content |= {"organization_id": content["organization"], "guide_id": None, "initial_replicas": 0}
        return content

    def _job(self, task: FakeTask, job: FakeJob) -> dict[str, Any]:
        content = {
            "url": f"{self.url}/api/jobs/{job.id}", "id": job.id, "task_id": task.id, "project_id": task.project_id,
            "assignee": None, "guide_id": None, "dimension": task.dimension, "bug_tracker": None,
            "status": "annotation", "stage": job.stage, "state": job.state, "mode": self._task(task)["mode"],
            "frame_count": len(job.included or range(job.start, job.stop + 1)), "start_frame": job.start,
            "stop_frame": job.stop, "data_chunk_size": 72, "data_compressed_chunk_type": "imageset",
            "created_date": "2026-11-01T09:00:00.000000Z", "updated_date": job.updated, "type": job.type,
            "organization": None, "target_storage": None, "source_storage": None,
            "issues": {"count": 0, "url": ""}, "labels": {"url": ""},
        }  # fmt: skip
        return content | ({"parent_job_id": None, "task_name": task.name} if self.new else {})

    def _label(self, task: FakeTask, label: FakeLabel) -> dict[str, Any]:
        return {
            "id": label.id, "name": label.name, "color": label.color, "attributes": label.attributes,
            "type": label.type, "sublabels": [], "task_id": task.id, "has_parent": label.parent_id is not None,
            "parent_id": label.parent_id,
        }  # fmt: skip

    def _meta(self, task: FakeTask) -> dict[str, Any]:
        frames = []
        for name, content in task.images[:1] if task.video else task.images:
            with Image.open(io.BytesIO(content)) as image:
                width, height = image.size
            name = "film.mp4" if task.video else name
            frames.append({"width": width, "height": height, "name": name, "related_files": 0})
        meta = {
            "chunk_size": 72, "size": len(task.images), "image_quality": 70, "start_frame": task.start,
            "stop_frame": task.start + (len(task.images) - 1) * task.step, "frames": frames,
            "frame_filter": "" if task.step == 1 else f"step={task.step}", "deleted_frames": task.deleted,
            "included_frames": None,
        }  # fmt: skip
        return meta | ({"chunks_updated_date": task.chunks_updated, "storage": "local"} if self.new else {})

    def _layout(self, task: FakeTask) -> dict[str, Any]:
        return {
            "mode": self._task(task)["validation_mode"], "validation_frames": sorted({*task.honeypots.values()}),
            "disabled_frames": [], "honeypot_count": len(task.honeypots), "honeypot_frames": list(task.honeypots),
            "honeypot_real_frames": list(task.honeypots.values()),
        }  # fmt: skip


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """A client that hangs up is no error; everything else is."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(*_)


class _Handler(BaseHTTPRequestHandler):
    cvat: StandIn
    disable_nagle_algorithm = True  # headers and body are two packets
    protocol_version = "HTTP/1.1"

    def parse_request(self) -> bool:
        """As CVAT, which answers in application/vnd.cvat+json, refuse whoever accepts application/json only."""
        if not super().parse_request():
            return False
        if self.headers.get("Accept") != "application/json":
            return True
        self.close_connection = True
        self._send(406, {"detail": "Could not satisfy the request Accept header."})
        return False

    def do_GET(self) -> None:
        self._note()
        parts = urlsplit(self.path)
        fault = self.cvat.fault(self.path)
        if fault is not None and fault.kind != "cut":
            self._fail(fault)
            return
        if (said := self.headers.get("Authorization")) is not None and not self._has_token(said):
            self._send(401, {"detail": "Invalid token."})  # on public pages, too
            return
        if parts.path == "/api/server/about":
            self._send(200, {"name": "CVAT", "description": "", "version": self.cvat.version})
            return
        if not self._logged_in():
            self._send(401, {"detail": "Authentication credentials were not provided."})
            return
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if self._answered_elsewhere():
            return
        status, content = self.cvat.answer(parts.path, query, self.headers.get("X-Organization"))
        self._send(status, content, cut=fault is not None)

    def do_POST(self) -> None:
        self._note()
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path != "/api/auth/login":
            self._change(body)
            return
        said = json.loads(body)
        if (said.get("username"), said.get("password")) != (USER, PASSWORD):
            self._send(400, {"non_field_errors": ["Unable to log in with provided credentials."]})
            return
        if (fault := self.cvat.fault(self.path)) is not None:
            assert fault.kind == "no cookies"
            self._send(200, {"key": "an-old-token"})
            return
        kept = "Path=/; SameSite=Lax; Secure"  # as behind a proxy with TLS
        cookies = [f"csrftoken=a-csrf-token; {kept}", f"sessionid=a-session; HttpOnly; {kept}"]
        self._send(200, {"key": "an-old-token"}, cookies=cookies)

    def do_DELETE(self) -> None:
        self._note()
        self._change(self.rfile.read(int(self.headers.get("Content-Length", 0))))

    def do_HEAD(self) -> None:
        self._note()
        self._change(b"")

    def do_PATCH(self) -> None:
        self._note()
        data = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if "/annotations/" not in self.path:
            self._change(data)
            return
        body = json.loads(data)
        fault = self.cvat.fault(f"PATCH {self.path}")
        if fault is not None and fault.kind != "lost":
            self._fail(fault)
            return
        if not self._logged_in() or ("Cookie" in self.headers and not self.headers.get("X-CSRFToken")):
            self._send(403, {"detail": "CSRF Failed."})
            return
        assert self.path.endswith("/annotations/?action=create")
        status, content = self.cvat.create(self.path, body)
        if fault is not None:
            self.close_connection = True  # it is done, and nobody hears of it
            return
        self._send(status, content)

    def _change(self, body: bytes) -> None:
        """A request that changes something, on one of the further pages."""
        fault = self.cvat.fault(f"{self.command} {self.path}")
        if fault is not None and fault.kind != "lost":
            self._fail(fault)
        elif not self._logged_in() or ("Cookie" in self.headers and not self.headers.get("X-CSRFToken")):
            self._send(403, {"detail": "CSRF Failed."})
        elif fault is not None:
            self._answered_elsewhere(body, lost=True)
            self.close_connection = True
        elif not self._answered_elsewhere(body):
            self._send(404, {"detail": "Not found."})

    def _answered_elsewhere(self, body: bytes = b"", *, lost: bool = False) -> bool:
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        request = Request(self.command, parts.path, query, self.headers, body)
        for page in self.cvat.pages:
            if (answer := page(request)) is not None:
                if not lost:
                    self._send(answer.status, answer.content, headers=answer.headers)
                return True
        return False

    def _note(self) -> None:
        self.cvat.requests.append(f"{self.command} {self.path}")
        self.cvat.headers.append(dict(self.headers.items()))

    def _logged_in(self) -> bool:
        has_token = self._has_token(self.headers.get("Authorization", ""))
        return has_token or "sessionid=a-session" in self.headers.get("Cookie", "")

    def _has_token(self, authorization: str) -> bool:
        kind, _, token = authorization.partition(" ")
        return self.cvat.new and kind == "Bearer" and token in self.cvat.tokens

    def _fail(self, fault: Fault) -> None:
        if fault.kind == "status":
            self._send(fault.status, {"detail": "no"}, after="0" if fault.status == 429 else "")
        elif fault.kind == "garbage":
            self._send(200, b"<html>Welcome to the router</html>")
        elif fault.kind == "slow":
            self.cvat.released.wait(30)
            self.close_connection = True
        else:
            assert fault.kind == "vanish"
            self.close_connection = True

    def _send(
        self,
        status: int,
        content: Any,
        *,
        cut: bool = False,
        cookies: list[str] | None = None,
        after: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        plain = isinstance(content, bytes)
        data = content if plain else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/octet-stream" if plain else "application/vnd.cvat+json")
        self.send_header("Content-Length", str(len(data)))
        if after:
            self.send_header("Retry-After", after)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        for cookie in cookies or []:
            self.send_header("Set-Cookie", cookie)
        self.end_headers()
        with contextlib.suppress(OSError):  # whoever asked may be gone
            self.wfile.write(data[: len(data) // 2] if cut else data)
        self.close_connection = self.close_connection or cut

    def log_message(self, *_: Any) -> None:
        pass
