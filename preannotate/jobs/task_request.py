"""What a finished model does with one task of CVAT: annotate it, review its annotations, rank its frames."""

from dataclasses import dataclass
from enum import StrEnum

from preannotate.jobs.errors import JobError
from preannotate.pipeline.errors import RunRequestError
from preannotate.pipeline.run_request import CvatAccess, check_model_name, check_numbers
from preannotate.registry import publication
from preannotate.registry.workspace import VersionFolder, Workspace

_MAX_TEXT = 4000
# A review or a ranking writes into the folder of its run, which is its working directory.
_OUTPUT = "."


class RunKind(StrEnum):
    """Which command a run is; `preannotate run` is TRAIN."""

    TRAIN = "train"
    ANNOTATE = "annotate"
    REVIEW = "review"
    RANK = "rank"


# The fields that each command has, beside task and version.
OPTIONS: dict[RunKind, tuple[str, ...]] = {
    RunKind.ANNOTATE: ("threshold", "confidence_attribute", "annotated_frames"),
    RunKind.REVIEW: ("top", "completed_jobs", "issues"),
    RunKind.RANK: ("top", "create_task"),
}


@dataclass(frozen=True, kw_only=True)
class TaskRequest(CvatAccess):
    """See the module.

    Attributes:
        kind: Not TRAIN.
        task: Number of the CVAT task.
        version: Of the model; None is the published version.
        threshold: Minimum score; None is that of the function.
        confidence_attribute: Attribute of CVAT that gets the score; "" for none.
        annotated_frames: Also add boxes to annotated frames.
        top: How many frames or boxes are listed; None is the command's default.
        completed_jobs: Review frames of completed jobs only.
        issues: Also open issues in CVAT.
        create_task: Name of a new task of the chosen frames; "" creates none.
    """

    kind: RunKind
    name: str
    task: int
    version: int | None = None
    threshold: float | None = None
    confidence_attribute: str = ""
    annotated_frames: bool = False
    top: int | None = None
    completed_jobs: bool = False
    issues: bool = False
    create_task: str = ""

    @property
    def tasks(self) -> tuple[int, ...]:
        """The task, as those of a `RunRequest`."""
        return (self.task,)

    def check(self, workspace: Workspace) -> None:
        """Refuse a request that can never run: RunRequestError for a field, else an error of `find_version`."""
        check_model_name(self.name)
        check_numbers("tasks", self.tasks)
        if self.threshold is not None and not 0 <= self.threshold <= 1:
            raise RunRequestError("threshold", f"{self.threshold:g}; expected a number from 0 to 1.")
        if self.top is not None and self.top < 1:
            raise RunRequestError("top", f"{self.top}; expected a whole number from 1 on.")
        for field in ("confidence_attribute", "create_task"):
            text = getattr(self, field)
            if text.startswith("-") or not text.isprintable() or len(text) > _MAX_TEXT:
                raise RunRequestError(field, f"{text[:80]!r}; expected text that does not begin with '-'.")
        self.find_version(workspace)

    def find_version(self, workspace: Workspace) -> VersionFolder:
        """Return the version whose function is used.

        Raises:
            WorkspaceError: There is no such model.
            JobError: There is no such version; or it is not published, and no version is given.
        """
        model = workspace.existing(self.name)
        number = self.version if self.version is not None else publication.published_version(model)
        if number is None:
            raise JobError(
                f"model {self.name!r}: is not published; expected a version. Publish one, or choose a version."
            )
        version = model.version(number)
        if not version.complete:
            raise JobError(f"model {self.name!r}: no finished version {number}; expected one. Choose another.")
        return version

    def to_argv(self, workspace: Workspace) -> list[str]:
        """Return the arguments of `preannotate`; raises as `find_version`."""
        version = self.find_version(workspace)
        argv = [str(self.kind), str(version.function), "--task", str(self.task), *self.login_argv()]
        if self.kind in (RunKind.REVIEW, RunKind.RANK):
            argv += ["--output", _OUTPUT]
        if self.kind == RunKind.REVIEW and version.run.is_dir():
            argv += ["--run", str(version.run)]
        for field in OPTIONS[self.kind]:
            value, flag = getattr(self, field), f"--{field.replace('_', '-')}"
            if value is True:
                argv.append(flag)
            elif value is not False and value not in (None, ""):
                argv += [flag, str(value)]
        return argv
