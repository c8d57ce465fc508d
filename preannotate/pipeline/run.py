"""The recipe of `preannotate run`: pull, train, build, check, publish, verify, annotate.

Each stage finds out by itself what exists already. A run that was interrupted is continued by the same command; one
whose inputs did not change has little to do.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from builder.function_directory import PARITY_FILE, FunctionDirectory
from preannotate.core.progress import ProgressWriter
from preannotate.cvat.dataset_folder import OtherServerError
from preannotate.cvat.functions import Functions
from preannotate.cvat.pull import pull
from preannotate.cvat.selection import UNTOUCHED_COMPLETED, FrameSelectionRules, PullScope
from preannotate.cvat.server import Server
from preannotate.pipeline import comparison
from preannotate.pipeline.auto_annotation import AutoAnnotationResult, AutoAnnotator
from preannotate.pipeline.build_version import VersionBuilder, inputs_fingerprint, training_options
from preannotate.pipeline.errors import PipelineError
from preannotate.pipeline.run_request import RunRequest
from preannotate.pipeline.verification import Verifier
from preannotate.registry import publication, versions
from preannotate.registry.publication import Deploy
from preannotate.registry.workspace import ModelFolder, VersionFolder, Workspace

# Frames without annotations that are downloaded for self-training; more are hardly seen in a training of minutes.
MAX_UNLABELLED = 500


@dataclass(frozen=True)
class PipelineResult:
    """What a run achieved; `not_published` says why a version is not published although that was requested."""

    version: VersionFolder
    published: bool = False
    not_published: str | None = None


@dataclass
class Pipeline:
    """One run.

    Attributes:
        model: Locked by the caller.
        connect: Logs in to CVAT.
        lock: Descriptor of the model's lock, for child processes.
        progress: With `stages(request)`.
        say: Prints a line for people.
    """

    workspace: Workspace
    model: ModelFolder
    request: RunRequest
    connect: Callable[[], Server]
    lock: int | None
    progress: ProgressWriter
    say: Callable[[str], object]
    _tasks: tuple[int, ...] = field(init=False, default=())

    def run(self) -> PipelineResult:
        """Run all stages.

        Raises:
            CheckFailedError: What was built is not what was trained.
            PreannotateError: A stage failed; what was done before stays.
        """
        source = self._pull()
        version = self._create_version(source)
        if self.request.deploy == Deploy.NONE:
            result, function_id = PipelineResult(version), None
        else:
            result = self._publish(version)
            function_id = self._verify(result)
        if self.request.annotate_rest:
            self._annotate(result, function_id)
        return result

    @cached_property
    def _server(self) -> Server:
        return self.connect()

    @cached_property
    def _functions(self) -> Functions:
        return Functions(self._server)

    def _pull(self) -> dict[str, Any]:
        with self._stage("pull"):
            try:
                pulled = pull(
                    self._server,
                    PullScope(self.request.tasks, self.request.projects, self.request.jobs),
                    self.model.dataset,
                    rules=FrameSelectionRules(
                        self.request.completed_jobs, self.request.include_auto, self.request.accept_completed
                    ),
                    max_unlabelled=MAX_UNLABELLED if self.request.trains_on_unlabelled else 0,
                    progress=lambda done, total: self.progress.update("pull", done=done, total=total, unit="image"),
                )
            except OtherServerError as error:
                raise PipelineError(
                    f"{self.model.path}: was trained on tasks of another server than {self._server.url}; expected the "
                    f"same. Give the model another name with --name, or, if the server has moved, remove "
                    f"{self.model.dataset}."
                ) from error
            self._tasks = tuple(task["id"] for task in pulled.source["tasks"])
            for note in pulled.source["notes"]:
                self.say(f"note: {note}")
            if unchecked := pulled.source["left_out"].get(UNTOUCHED_COMPLETED):
                self.say(
                    f"note: left out: frames {UNTOUCHED_COMPLETED}: {unchecked}. --accept-completed includes them."
                )
            counts, unlabelled = pulled.source["training"], pulled.source["unlabelled"]
            self._detail(
                "pull",
                f"{counts['annotated']} frames with annotations, {counts['negatives']} that show nothing"
                f"{f', {unlabelled} without annotations for self-training' if unlabelled else ''}; "
                f"{pulled.downloaded} images downloaded",
            )
        return pulled.source

    def _create_version(self, source: dict[str, Any]) -> VersionFolder:
        """Return the version of what was pulled: an earlier one, or one that is trained, built and checked now."""
        with self._failing_as("train"):  # reading all images takes its time where there are many
            options = training_options(source, self.request)
            fingerprint = inputs_fingerprint(self.model.dataset, self.request, options)
            choice = versions.choose_version(self.model, fingerprint, restart=self.request.restart)
        version = choice.version
        self.progress.set_version(version.number)
        if version.complete:
            for name in ("train", "build", "check"):
                self._skip(name, choice.why)
            return version
        builder = VersionBuilder(self.model, self.request, self.progress, self.lock)
        if (version.run / "summary.json").is_file():
            self._skip("train", f"version {version.number} is trained")
        else:
            with self._stage("train"):
                self._detail("train", choice.why)
                self._detail("train", builder.train(version, options))
        built = (version.function / "nuclio" / PARITY_FILE).is_file()  # `build` puts the directory in place last
        if built:
            self._skip("build", f"version {version.number} is built")
        else:
            with self._stage("build"):
                self._detail("build", builder.build(version))
        with self._stage("check"):
            self._detail("check", builder.check(version, just_built=not built))
        return version

    def _publish(self, version: VersionFolder) -> PipelineResult:
        if publication.is_published(self.workspace, version, self.request.deploy, self.request.deploy_arguments):
            self._skip("publish", f"version {version.number} is published")
            return PipelineResult(version, published=True)
        if publication.was_withdrawn(self.model, version.number):
            why = (
                f"version {version.number} of {self.model.name} was withdrawn; expected new annotations or other "
                f"arguments. Publish it again: preannotate publish {self.model.name} {version.number}."
            )
            self._skip("publish", why)
            return PipelineResult(version, not_published=why)
        with self._stage("publish"):
            if self.request.only_if_better and (worse := self._why_worse(version)):
                self._detail("publish", worse)
                return PipelineResult(version, not_published=worse)
            publication.install(
                self.workspace,
                self.model.name,
                version.number,
                deploy=self.request.deploy,
                arguments=self.request.deploy_arguments,
            )
            self._detail("publish", f"version {version.number} in {self.workspace.functions / self.model.name}")
        return PipelineResult(version, published=True)

    def _why_worse(self, new: VersionFolder) -> str | None:
        """Return why the new version must not replace the published one; None if it may."""
        published = publication.published_version(self.model)
        if published in (None, new.number) or not (old := self.model.version(published)).complete:
            return None
        self._detail("publish", f"comparing with version {old.number}")
        compared = comparison.compare(new, old)
        text = comparison.describe(self.model.name, new.number, compared)
        if not compared.better:
            return text
        self.say(f"publish: {text}")
        return None

    def _verify(self, result: PipelineResult) -> str | None:
        """Return the id under which CVAT lists the function; None if this version is not published."""
        if not result.published:
            self._skip("verify", f"version {result.version.number} is not published")
            return None
        with self._stage("verify"):
            verifier = Verifier(
                self._server,
                self._functions,
                self.workspace.functions / self.model.name,
                seconds=self.request.wait_seconds,
                detail=lambda line: self._detail("verify", line),
            )
            verification = verifier.verify(self._tasks[0])
            for note in verification.notes:
                self.say(f"note: {note}")
            self._detail("verify", verification.summary)
        return verification.function

    def _annotate(self, result: PipelineResult, function_id: str | None) -> None:
        """Annotate the rest: by CVAT where it lists the function, else by this machine."""
        if self.request.deploy != Deploy.NONE and not result.published:
            self._skip("annotate", f"version {result.version.number} is not published")
            return
        with self._stage("annotate"):
            published = self.workspace.functions / self.model.name
            directory = published if function_id is not None else result.version.function
            annotator = AutoAnnotator(
                self._server,
                self._functions,
                function_id,
                directory,
                FunctionDirectory.open(directory).label_types,
                lambda line: self._detail("annotate", line),
            )
            annotated = AutoAnnotationResult()
            for task in self._tasks:
                annotator.annotate_rest(task, annotated)
            for note in annotated.notes:
                self.say(f"note: {note}")
            self._detail("annotate", annotated.summary)

    def _detail(self, name: str, line: str) -> None:
        self.progress.update(name, detail=line)

    @contextmanager
    def _stage(self, name: str) -> Iterator[None]:
        with self.progress.running(name):
            yield
        self.say(f"{name}: {self.progress[name].detail}")

    @contextmanager
    def _failing_as(self, name: str) -> Iterator[None]:
        """Run what belongs to a stage that may turn out to have nothing to do: an error is that stage's."""
        try:
            yield
        except BaseException:
            with self.progress.running(name):
                raise

    def _skip(self, name: str, why: str) -> None:
        self.progress.skip(name, why)
        self.say(f"{name}: skipped, {why}")


def stages(request: RunRequest) -> list[str]:
    """Return the names of the stages of a run."""
    names = ["pull", "train", "build", "check"]
    names += [] if request.deploy == Deploy.NONE else ["publish", "verify"]
    return [*names, *(["annotate"] if request.annotate_rest else [])]
