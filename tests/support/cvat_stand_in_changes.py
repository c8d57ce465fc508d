"""What the stand-in of CVAT also takes: new tasks with their images, deletion, issues with their comments.

Requests are those that cvat-sdk sends: a task is created, `Upload-Start`, images as multipart (`Upload-Multiple`) or,
if large, by TUS in parts, `Upload-Finish`; then the client asks until the frames are made. The newer server answers the
last upload with the number of a request, the older one with what it was sent and a status at the task.
"""

import base64
import email
import email.policy
import json
from dataclasses import dataclass, field
from typing import Any

from support.cvat_stand_in import FakeJob, FakeLabel, FakeTask, Request, Response, StandIn

REQUEST = "action=create&target=task&id="


@dataclass
class Changes:
    """What was changed, and what goes wrong.

    Attributes:
        created: Bodies of new tasks.
        uploaded: Number of a task to its images so far, as (name, content).
        deleted: Numbers of tasks.
        issues: As the server keeps them, with their message.
        busy: How often the server says that it is still at work.
        fails: Why frames cannot be made; "" makes them.
        refuses: Status of the answer to images; None takes them.
    """

    cvat: StandIn
    created: list[dict[str, Any]] = field(default_factory=list)
    uploaded: dict[int, list[tuple[str, bytes]]] = field(default_factory=dict)
    deleted: list[int] = field(default_factory=list)
    issues: list[dict[str, Any]] = field(default_factory=list)
    busy: int = 1
    fails: str = ""
    refuses: int | None = None
    _parts: dict[str, tuple[int, str, bytes]] = field(default_factory=dict)

    def __call__(self, request: Request) -> Response | None:
        """The answer to a request, or None if it is no business of this."""
        match request.method, request.path.removeprefix("/api/").split("/"):
            case "POST", ["tasks"]:
                return self._create(json.loads(request.body))
            case "DELETE", ["tasks", number]:
                self.deleted.append(int(number))
                return Response(204 if self.cvat.tasks.pop(int(number), None) else 404, b"")
            case "POST", ["tasks", number, "data", ""]:
                return self._data(int(number), request)
            case "PATCH" | "HEAD", ["tasks", number, "data", name]:
                return self._part(int(number), name, request)
            case "GET", ["tasks", number, "status"] if not self.cvat.new:
                state, said = self._progress()
                return Response(200, {"state": state.capitalize(), "message": said, "progress": 0.0})
            case "GET", ["requests", name] if self.cvat.new and name.startswith(("action%3D", "action=")):
                state, said = self._progress()
                return Response(
                    200, {"id": name, "status": state, "message": said, "operation": {"type": "create:task"}}
                )
            case "GET", ["issues"]:
                found = [one for one in self.issues if str(one["job"]) == request.query["job_id"]]
                return self._page(request, [{key: one[key] for key in one if key != "message"} for one in found])
            case "GET", ["comments"]:
                found = [one for one in self.issues if str(one["job"]) == request.query["job_id"]]
                comments = [
                    {"id": one["id"], "issue": one["id"], "owner": None, "message": one["message"]} for one in found
                ]
                return self._page(request, comments)
            case "POST", ["issues"]:
                return self._issue(json.loads(request.body))
        return None

    def _create(self, body: dict[str, Any]) -> Response:
        assert ("project_id" in body) != ("labels" in body)
        self.created.append(body)
        number = max([0, *self.cvat.tasks, *self.deleted]) + 1
        labels = [FakeLabel(100 * number + i, one["name"], one["type"]) for i, one in enumerate(body.get("labels", ()))]
        task = FakeTask(number, [], labels, [], body["name"], project_id=body.get("project_id"))
        self.uploaded[number] = []
        self.cvat.add(task)
        return Response(201, {"id": number, "name": body["name"], "size": 0})

    def _data(self, number: int, request: Request) -> Response:
        assert number in self.cvat.tasks
        if "Upload-Start" in request.headers:
            return Response(202, {})
        if "Upload-Multiple" in request.headers:
            if self.refuses:
                return Response(self.refuses, {"detail": "no room"})
            self.uploaded[number] += _multipart(request)
            return Response(200, {})
        if "Upload-Finish" in request.headers:
            fields = json.loads(request.body)
            assert fields["sorting_method"] == "lexicographical"
            if not self.fails:
                task = self.cvat.tasks[number]
                task.images = sorted(self.uploaded[number])
                task.jobs = [FakeJob(1000 * number, 0, len(task.images) - 1, "new")]
            return Response(202, {"rq_id": f"{REQUEST}{number}"} if self.cvat.new else fields)
        said = dict(pair.split(" ") for pair in request.headers["Upload-Metadata"].split(","))
        name = base64.b64decode(said["filename"]).decode()
        key = f"tus-{len(self._parts)}"
        self._parts[key] = (int(request.headers["Upload-Length"]), name, b"")
        place = f"{self.cvat.url}/api/tasks/{number}/data/{key}"
        return Response(201, b"", {"Location": place, "Upload-Filename": name})

    def _part(self, number: int, key: str, request: Request) -> Response:
        length, name, content = self._parts[key]
        if request.method == "PATCH":
            assert int(request.headers["Upload-Offset"]) == len(content)
            content += request.body
            self._parts[key] = (length, name, content)
            if len(content) == length:
                self.uploaded[number].append((name, content))
        return Response(204 if request.method == "PATCH" else 200, b"", {"Upload-Offset": str(len(content))})

    def _progress(self) -> tuple[str, str]:
        if self.busy:
            self.busy -= 1
            return "started", "Images are being prepared"
        return ("failed", self.fails) if self.fails else ("finished", "")

    def _issue(self, body: dict[str, Any]) -> Response:
        assert {"frame", "position", "job", "message"} == set(body)
        assert len(body["position"]) == 4
        _, job = self.cvat._job_of(body["job"], None)
        assert body["frame"] in (job.included if job.included is not None else range(job.start, job.stop + 1))
        issue = body | {"id": len(self.issues) + 1, "resolved": False, "comments": {"count": 1, "url": ""}}
        self.issues.append(issue)
        return Response(201, {key: issue[key] for key in issue if key != "message"})

    def _page(self, request: Request, entries: list[Any]) -> Response:
        return Response(*self.cvat._page(request.path, request.query, entries))


def _multipart(request: Request) -> list[tuple[str, bytes]]:
    """Names, without folders, as Django keeps them, and contents."""
    head = f"Content-Type: {request.headers['Content-Type']}\r\n\r\n".encode()
    parts = email.message_from_bytes(head + request.body, policy=email.policy.HTTP).iter_parts()
    files = [part for part in parts if part.get_filename() is not None]
    return [(part.get_filename().rsplit("/", 1)[-1], part.get_payload(decode=True)) for part in files]
