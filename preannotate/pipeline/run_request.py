"""`RunRequest`: what `preannotate run` is to do, whoever asks for it.

The command line, the form of the web interface and `watch` all make one; `to_argv` is its command line again, and
`run_request.json` beside the versions of a model keeps it, so that a run can be repeated by the model's name alone:

    {"format": 1, "cvat": "https://cvat.example.org", "user": null, "profile": null, "organization": null,
     "insecure": false, "name": "forklifts", "tasks": [12], "projects": [], "jobs": [], "completed_jobs": false,
     "include_auto": false, "accept_completed": false, "model": "auto", "arguments": "",
     "base_model": "auto", "self_training": false, "deploy": "serve", "deploy_arguments": "", "annotate_rest": false,
     "only_if_better": false, "kubernetes": null, "restart": false, "wait_seconds": 60.0}

No secret is in it: access token and password stay in the environment. Nothing heavy is imported here.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from builder.errors import BuildError
from builder.function_yaml import check_name
from preannotate.core.files import read_json, write_json
from preannotate.pipeline.errors import PipelineError, RunRequestError
from preannotate.registry.deploy_script import DeployArguments
from preannotate.registry.publication import Deploy
from trainer.arguments import read_arguments
from trainer.request import AUTO
from trainer.schedule import has_time_for_self_training

if TYPE_CHECKING:
    from preannotate.cvat.login import Login
    from preannotate.cvat.server import Server
import re
import unicodedata

from preannotate.registry.workspace import Workspace

FORMAT = 1
_LONGEST_NAME = 40  # nuclio accepts 52, and a number may follow
# Base model: the latest finished version of the same model.
PREVIOUS = "previous"
_LIST_FLAGS = {"tasks": "--task", "projects": "--project", "jobs": "--job"}
_SWITCHES = (
    "self_training",
    "completed_jobs",
    "include_auto",
    "accept_completed",
    "annotate_rest",
    "only_if_better",
    "restart",
)


@dataclass(frozen=True, kw_only=True)
class CvatAccess:
    """Where CVAT is and who logs in, without the secret.

    Attributes:
        cvat: Address; None is the profile's, or the default of cvat-sdk.
        user: Who logs in by password; None uses the access token.
        profile: Of cvat-sdk, in place of address and user.
        organization: Short name; "" is the personal workspace, None requests without one.
        insecure: Accept any certificate.
    """

    cvat: str | None = None
    user: str | None = None
    profile: str | None = None
    organization: str | None = None
    insecure: bool = False

    def login(self) -> "Login":
        """Return what cvat-sdk needs to log in."""
        from preannotate.cvat.login import Login

        return Login(self.cvat, self.user, self.profile, self.organization, self.insecure)

    def login_argv(self) -> list[str]:
        """Return the options of the command line."""
        if self.profile is not None:
            return ["--profile", self.profile]
        options = (("--cvat", self.cvat), ("--auth", self.user), ("--organization", self.organization))
        argv = [part for flag, value in options if value is not None for part in (flag, value)]
        return [*argv, "--insecure"] if self.insecure else argv


@dataclass(frozen=True, kw_only=True)
class RunRequest(CvatAccess):
    """What `preannotate run` is to do.

    Attributes:
        name: Of the model and its function; None takes that of the first task or project.
        tasks: Numbers of CVAT tasks to train on.
        projects: Numbers of CVAT projects, all of whose tasks count.
        jobs: Numbers of single CVAT jobs.
        completed_jobs: Only frames of completed jobs.
        include_auto: Also learn from what a model drew and nobody changed.
        accept_completed: What a model drew counts as checked where the job is completed.
        model: As `train --model`; `arguments` and `base_model` likewise, and `PREVIOUS` is a base model.
        self_training: Learn from frames without annotations as well, where there are some.
        deploy: How CVAT gets the function.
        deploy_arguments: Of deploy.sh, see `DeployArguments.parse`.
        annotate_rest: Let the function annotate the frames without annotations.
        only_if_better: Publish only a version that beats the published one.
        kubernetes: Where to train in place of this machine, as `KubernetesCluster.parse` reads it.
        restart: Train again although nothing changed.
        wait_seconds: How long to wait until CVAT lists the function.
    """

    name: str | None = None
    tasks: tuple[int, ...] = ()
    projects: tuple[int, ...] = ()
    jobs: tuple[int, ...] = ()
    completed_jobs: bool = False
    include_auto: bool = False
    accept_completed: bool = False
    model: str = AUTO
    arguments: str = ""
    base_model: str = AUTO
    self_training: bool = False
    deploy: Deploy = Deploy.SERVE
    deploy_arguments: str = ""
    annotate_rest: bool = False
    only_if_better: bool = False
    kubernetes: str | None = None
    restart: bool = False
    wait_seconds: float = 60.0

    @property
    def names_frames(self) -> bool:
        """Whether it says what to pull."""
        return bool(self.tasks or self.projects or self.jobs)

    @property
    def trains_on_unlabelled(self) -> bool:
        """Whether frames without annotations are of use: self-training is wanted, and there is time for it."""
        max_minutes = read_arguments(None, self.arguments, []).get("max_minutes")
        return self.self_training and has_time_for_self_training(None if max_minutes is None else float(max_minutes))

    @property
    def source(self) -> tuple[Any, ...]:
        """What is the same for two requests about the same part of the same server."""
        return self.cvat, self.profile, sorted(self.tasks), sorted(self.projects), sorted(self.jobs)

    def checked(self) -> Self:
        """Return it with an absolute path of the base model.

        Raises:
            RunRequestError: A field has an impossible value.
            TrainingError: A training argument has.
        """
        if self.name is not None:
            check_model_name(self.name)
        if not self.names_frames:
            raise PipelineError(
                "run: nothing to train on; expected --task, --project or --job with a number, or --name of an "
                "existing model."
            )
        for field in _LIST_FLAGS:
            check_numbers(field, getattr(self, field))
        for field in ("model", "base_model"):
            if not (text := getattr(self, field)).isprintable() or text.startswith("-") or not text:
                raise RunRequestError(field, f"{text!r}; expected the name of a model, or a path.")
        read_arguments(None, self.arguments, [])
        try:
            deploy_arguments = str(DeployArguments.parse(self.deploy_arguments))
        except ValueError as error:
            raise RunRequestError("deploy_arguments", str(error)) from error
        if deploy_arguments and self.deploy != Deploy.NUCTL:
            raise RunRequestError("deploy_arguments", f"{self.deploy_arguments!r}; expected them with --deploy nuctl.")
        if self.wait_seconds < 0:
            raise RunRequestError("wait_seconds", f"{self.wait_seconds:g}; expected a number from 0 on.")
        path = Path(self.base_model)
        if "/" in self.base_model and not path.exists():
            raise RunRequestError(
                "base_model", f"{self.base_model!r} not found; expected a file of weights or the folder of a run."
            )
        base_model = str(path.resolve()) if path.exists() else self.base_model
        return replace(self, base_model=base_model, deploy_arguments=deploy_arguments)

    def to_argv(self) -> list[str]:
        """Return the arguments of `preannotate run`, without the workspace; what has its default is left out."""
        argv = [] if self.name is None else ["--name", self.name]
        for field, flag in _LIST_FLAGS.items():
            argv += [part for number in getattr(self, field) for part in (flag, str(number))]
        defaults = RunRequest()
        for field in ("model", "arguments", "base_model", "deploy", "deploy_arguments", "kubernetes"):
            if (value := getattr(self, field)) != getattr(defaults, field) and value is not None:
                argv.append(f"--{field.replace('_', '-')}={value}")  # one word: the value may begin with a hyphen
        argv += [f"--{field.replace('_', '-')}" for field in _SWITCHES if getattr(self, field)]
        if self.wait_seconds != defaults.wait_seconds:
            argv += ["--wait", f"{self.wait_seconds:g}"]
        return argv + self.login_argv()


def check_model_name(name: str) -> None:
    """Raise RunRequestError for a name that CVAT or nuclio does not accept."""
    try:
        check_name(name)
    except BuildError as error:
        raise RunRequestError("name", str(error).removeprefix("--name: ")) from error


def check_numbers(field: str, numbers: Sequence[int]) -> None:
    """Raise RunRequestError for what cannot be the number of a task, project or job of CVAT."""
    for number in numbers:
        if not isinstance(number, int) or isinstance(number, bool) or number < 1:
            raise RunRequestError(field, f"{number!r}; expected a whole number from 1 on.")


def to_keep(kept: RunRequest | None, request: RunRequest, *, repeats: bool) -> RunRequest:
    """Return what `run_request.json` holds after a run.

    A run that `repeats` the one before (`kept`) may change how later runs train and deploy, but not what they do with
    their version (`annotate_rest`, `only_if_better`).
    """
    request = replace(request, restart=False, wait_seconds=RunRequest.wait_seconds)
    if kept is None or not repeats:
        return request
    return replace(request, annotate_rest=kept.annotate_rest, only_if_better=kept.only_if_better)


def read_run_request(path: Path) -> RunRequest | None:
    """Return a model's latest request, None if there was none; FileError or PipelineError if the file is damaged."""
    content = read_json(path)
    if content is None:
        return None
    try:
        if content.pop("format") != FORMAT:
            raise ValueError("format")
        return run_request_from_json(content)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise PipelineError(
            f"{path}: {error!r}; expected a run request of format {FORMAT}. Remove the file."
        ) from error


def write_run_request(path: Path, request: RunRequest) -> None:
    """Keep a request for the next run."""
    write_json(path, {"format": FORMAT, **asdict(request)})


def run_request_from_json(content: dict[str, Any]) -> RunRequest:
    """Return a request from the JSON of its `dataclasses.asdict`; raises TypeError or ValueError if it is not valid."""
    lists = {field: tuple(content[field]) for field in _LIST_FLAGS if field in content}
    deploy = {"deploy": Deploy(content["deploy"])} if "deploy" in content else {}
    unknown = set(content) - {field.name for field in fields(RunRequest)}
    if unknown:
        raise ValueError(f"unknown field {sorted(unknown)[0]!r}")
    return RunRequest(**content | lists | deploy)


def name_for(server: "Server", workspace: Workspace, request: RunRequest) -> str:
    """Return the name of the model that was trained on the same tasks, or a free one, from the first project or task.

    Raises:
        CvatError: The server does not have that project, task or job.
        PipelineError: The possible names belong to other models.
    """
    title, number = _title(server, request)
    plain = slug(title)
    candidates = [name for name in (plain, f"{plain}-{number}" if plain else f"task-{number}") if _possible(name)]
    for name in candidates:
        kept = read_run_request(workspace.model(name).run_request)
        if kept is None or kept.source == request.source:
            return name
    raise PipelineError(
        f"{workspace.path}: {' and '.join(map(repr, candidates))} are models of other tasks; expected a free name. "
        f"Choose one with --name, or continue one of these models with --name."
    )


def slug(title: str) -> str:
    """Return a title in lower-case letters, digits and hyphens; "" if nothing is left."""
    ascii_only = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", ascii_only)[:_LONGEST_NAME].strip("-")


def _possible(name: str) -> bool:
    try:
        check_name(name)
    except BuildError:
        return False
    return True


def _title(server: "Server", request: RunRequest) -> tuple[str, int]:
    if request.projects:
        return str(server.project(request.projects[0])["name"]), request.projects[0]
    number = request.tasks[0] if request.tasks else int(server.job(request.jobs[0])["task_id"])
    return str(server.task(number)["name"]), number
