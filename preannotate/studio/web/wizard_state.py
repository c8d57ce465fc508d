"""The choices for a new model so far, as they stand in the URL: server, tasks, model, initial weights."""

from dataclasses import dataclass, replace
from typing import Any

from preannotate.studio.errors import PageError, StudioError
from preannotate.studio.list_rows import TaskDetail
from preannotate.studio.servers import SavedServer
from preannotate.studio.web.page_request import PageRequest

IMAGENET, NONE, VERSION, FILE = "imagenet", "none", "version", "file"
BASES = (IMAGENET, NONE, VERSION, FILE)
# More do not fit into a URL.
MOST_TASKS = 100


@dataclass(frozen=True)
class WizardState:
    """The choices of the steps so far.

    Attributes:
        server: Id of a saved server.
        tasks: Numbers on the server.
        projects: Ids of whole projects on the server.
        model: Name of the network; "" before it is chosen.
        base: One of `BASES`.
        base_version: NAME/NUMBER of a version, for `VERSION`.
        base_file: A file or folder, for `FILE`.
        name: Of an annotation model that gets another version; "" for a new one.
        arguments: As text, of a run that is ordered again.
    """

    server: int
    tasks: tuple[int, ...] = ()
    projects: tuple[int, ...] = ()
    model: str = ""
    base: str = IMAGENET
    base_version: str = ""
    base_file: str = ""
    name: str = ""
    arguments: str = ""

    @classmethod
    def read(cls, request: PageRequest) -> "WizardState":
        """Read it from the form of a POST request, else from the URL."""
        numbers, text = (request.numbers, request.field) if request.form else (request.query_numbers, request.query)
        server = next(iter(numbers("server")), 0)
        base = text("base")
        return cls(
            server,
            numbers("task")[:MOST_TASKS],
            numbers("whole")[:1],
            text("model"),
            base if base in BASES else IMAGENET,
            text("base_version"),
            text("base_file"),
            text("name"),
            text("arguments"),
        )

    def query(self, **changes: Any) -> dict[str, Any]:
        """Return the fields of an address; what is not decided is left out."""
        one = replace(self, **changes) if changes else self
        pairs = {
            "server": one.server, "task": list(one.tasks), "whole": list(one.projects), "model": one.model,
            "base": "" if one.base == IMAGENET else one.base, "base_version": one.base_version,
            "base_file": one.base_file, "name": one.name, "arguments": one.arguments,
        }  # fmt: skip
        return {name: value for name, value in pairs.items() if value}

    def hidden(self, *names: str) -> list[tuple[str, Any]]:
        """Return (name, value) of hidden fields of a form; only of `names` if any are given."""
        pairs = []
        for name, value in self.query().items():
            if not names or name in names:
                pairs += [(name, one) for one in value] if isinstance(value, list) else [(name, value)]
        return pairs


def saved_server(request: PageRequest, number: int | None) -> SavedServer:
    """Return a saved server.

    Raises:
        PageError: There is no such server.
    """
    try:
        return request.services.servers.get(number or 0)
    except StudioError as error:
        raise PageError(404, "Server not found", str(error)) from error


def selected_annotations(request: PageRequest, state: WizardState) -> TaskDetail:
    """Return what a training would use of the chosen tasks.

    Raises:
        PageError: No task is chosen.
        CvatError: The server does not answer.
    """
    if not state.tasks and not state.projects:
        raise PageError(
            400,
            "No task is chosen yet",
            "No task is chosen; expected at least one. Go back and select the tasks to train on.",
        )
    if len(state.tasks) == 1 and not state.projects:
        return request.services.catalogue.task(state.server, state.tasks[0])
    return request.services.catalogue.tasks_detail(state.server, state.tasks, state.projects)
