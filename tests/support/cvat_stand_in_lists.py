"""Pages of the stand-in for lists: projects and tasks with search, pictures of tasks, who is logged in.

`StandIn.pages` takes `Lists(server)`. CVAT searches in names and in whatever else its filter fields say, without regard
to case.
"""

from typing import Any

from support.cvat_stand_in import USER, Request, Response, StandIn


class Lists:
    """See the module.

    Attributes:
        cvat: Whose lists they are.
        names: Number of a project to its name.
    """

    def __init__(self, cvat: StandIn) -> None:
        self.cvat = cvat
        self.names: dict[int, str] = {}

    def __call__(self, request: Request) -> Response | None:
        """The answer of these pages; None leaves it to others."""
        if request.method != "GET":
            return None
        organization = request.headers.get("X-Organization")
        match request.path.removeprefix("/api/").split("/"):
            case ["users", "self"]:
                return Response(200, {"id": 1, "username": USER, "first_name": "Ann", "email": "ann@example.org"})
            case ["projects"]:
                return self._page(request, [self._project(number) for number in self.cvat.projects])
            case ["projects", number] if int(number) in self.cvat.projects:
                return Response(200, self._project(int(number)))
            case ["tasks"]:
                return self._page(request, self._tasks(request.query, organization))
            case ["tasks", number, "preview"]:
                task = self.cvat.tasks.get(int(number))
                if task is None or not task.images:
                    return Response(404, {"detail": "Not found."})
                return Response(200, task.images[0][1])
        return None

    def _tasks(self, query: dict[str, str], organization: str | None) -> list[dict[str, Any]]:
        found = [self.cvat._task(task) for task in self.cvat._visible(organization)]
        for one in found:
            jobs = self.cvat.tasks[one["id"]].jobs  # those completed in an earlier stage CVAT does not count
            one["jobs"]["completed"] = sum((job.state, job.stage) == ("completed", "acceptance") for job in jobs)
        return [one for one in found if str(one["project_id"]) == query.get("project_id", str(one["project_id"]))]

    def _project(self, number: int) -> dict[str, Any]:
        tasks = [task for task in self.cvat.tasks.values() if task.project_id == number]
        return {
            "id": number, "name": self.names.get(number, f"project {number}"), "dimension": "2d",
            "updated_date": "2026-11-02T10:00:00.000000Z", "tasks": {"count": len(tasks), "url": ""},
            "labels": {"url": ""},
        }  # fmt: skip

    def _page(self, request: Request, found: list[dict[str, Any]]) -> Response:
        word = request.query.get("search", "").lower()
        return Response(
            *self.cvat._page(request.path, request.query, [one for one in found if word in one["name"].lower()])
        )
