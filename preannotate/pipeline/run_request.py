"""`asked.json`: what a model is made from and what becomes of it, so that a run can be repeated by its name alone.

    {"format": 1, "cvat": "https://cvat.example.org", "user": null, "profile": null, "organization": null,
     "insecure": false, "tasks": [12], "projects": [], "jobs": [], "completed_jobs": false, "include_auto": false,
     "accept_completed": false, "model": "ssd-mobilenet-v2", "arguments": "", "base_model": "imagenet",
     "deploy": "serve", "annotate_rest": false, "only_if_better": false, "kubernetes": ""}

There is no secret in it: access token and password stay in the environment.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from preannotate.registry.deployment import DEPLOYMENTS, SERVE
from preannotate.registry.errors import WorkspaceError
from preannotate.registry.workspace import read_json, write_json

FORMAT = 1
NOWHERE = "none"
DEPLOY = (*DEPLOYMENTS, NOWHERE)
IMAGENET = "imagenet"
# Base model: the latest finished version of the same model.
PREVIOUS = "previous"
_WHERE = ("cvat", "user", "profile", "organization", "insecure")


@dataclass(frozen=True)
class Asked:
    """See the module.

    Attributes:
        cvat: Address; None is the profile's, or the SDK's default.
        user: Who logs in by password; None takes the access token.
        profile: Of cvat-sdk, in place of both.
        organization: Short name; None asks without one.
        insecure: Accept any certificate.
        tasks: Numbers.
        projects: Numbers.
        jobs: Numbers.
        completed_jobs: Take frames of completed jobs only.
        include_auto: Also learn from what a model drew and nobody changed.
        accept_completed: What a model drew counts as checked where somebody completed the job.
        model: As `train --model`.
        arguments: As `train --arguments`.
        base_model: As `train --base-model`, or `PREVIOUS`.
        deploy: One of `DEPLOY`.
        annotate_rest: Let the function annotate the frames that nobody annotated.
        only_if_better: Publish only what beats the published version.
        kubernetes: Where to train in place of this machine, as `cluster.Cluster.parse` reads it; "" trains here.
    """

    cvat: str | None = None
    user: str | None = None
    profile: str | None = None
    organization: str | None = None
    insecure: bool = False
    tasks: tuple[int, ...] = ()
    projects: tuple[int, ...] = ()
    jobs: tuple[int, ...] = ()
    completed_jobs: bool = False
    include_auto: bool = False
    accept_completed: bool = False
    model: str = "ssd-mobilenet-v2"
    arguments: str = ""
    base_model: str = IMAGENET
    deploy: str = SERVE
    annotate_rest: bool = False
    only_if_better: bool = False
    kubernetes: str = ""

    @property
    def names_frames(self) -> bool:
        """Whether it says what to pull."""
        return bool(self.tasks or self.projects or self.jobs)

    @property
    def source(self) -> tuple[Any, ...]:
        """What is the same for two runs over the same part of the same server."""
        return self.cvat, self.profile, sorted(self.tasks), sorted(self.projects), sorted(self.jobs)

    @property
    def login(self) -> dict[str, Any]:
        """As `cvat.login.Login` takes it."""
        return {"url": self.cvat, **{name: getattr(self, name) for name in _WHERE[1:]}}


def merge(kept: Asked | None, said: Mapping[str, Any]) -> Asked:
    """What the command line says, the rest from `asked.json` if the line names nothing to pull.

    A line that names tasks, projects or jobs is complete in itself: what it leaves out has its default.

    Args:
        kept: What `asked.json` says; None if there is none.
        said: Values by name; None and empty sequences say nothing.

    Raises:
        WorkspaceError: Nobody says what to pull.
    """
    given = {name: _frozen(value) for name, value in said.items() if value is not None and value != []}
    asked = Asked(**given)
    if asked.names_frames:
        return _absolute(asked)
    if kept is None:
        raise WorkspaceError(
            "run: nothing named; expected --task, --project or --job with a number, or --name of a model that was "
            "made before."
        )
    return _absolute(replace(kept, **given))


def to_keep(kept: Asked | None, asked: Asked, said: Mapping[str, Any]) -> Asked:
    """What `asked.json` is to say from now on.

    A line that only repeats changes how is trained and deployed; what becomes of this one version is its own.

    Args:
        kept: What it says.
        asked: What this run does, from `merge`.
        said: As in `merge`.
    """
    if kept is None or any(said.get(name) for name in ("tasks", "projects", "jobs")):
        return asked
    return replace(asked, annotate_rest=kept.annotate_rest, only_if_better=kept.only_if_better)


def read(path: Path) -> Asked | None:
    """What was asked for before; None if nothing was.

    Raises:
        WorkspaceError: The file is damaged.
    """
    content = read_json(path)
    if content is None:
        return None
    known = {field.name for field in fields(Asked)}
    if not isinstance(content, dict) or content.pop("format", None) != FORMAT or not set(content) <= known:
        raise WorkspaceError(f"{path}: not what a run asks for; expected format {FORMAT}. Name the tasks again.")
    return Asked(**{name: _frozen(value) for name, value in content.items()})


def write(path: Path, asked: Asked) -> None:
    """Keep it."""
    write_json(path, {"format": FORMAT, **asdict(asked)})


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, Sequence) and not isinstance(value, str) else value


def _absolute(asked: Asked) -> Asked:
    """A base model on disk is found from anywhere."""
    path = Path(asked.base_model)
    return replace(asked, base_model=str(path.resolve())) if path.exists() else asked
