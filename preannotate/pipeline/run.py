"""The recipe of `preannotate run`: pull, train, build, check, publish, verify, annotate.

Each stage finds out by itself what is there already. A run that was stopped, or whose machine was, is gone on with by
the same command; one whose inputs did not change has little to do.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from builder.function_directory import FunctionDirectory
from preannotate.cvat.dataset_folder import OtherServerError
from preannotate.cvat.functions import Functions
from preannotate.cvat.pull import pull
from preannotate.cvat.pull_scope import PullScope
from preannotate.cvat.selection import UNTOUCHED_COMPLETED, FrameSelectionRules
from preannotate.cvat.server import Server
from preannotate.pipeline import comparison as comparing
from preannotate.pipeline import inputs
from preannotate.pipeline.auto_annotation import AutoAnnotationResult, AutoAnnotator
from preannotate.pipeline.build_version import VersionBuilder, training_options
from preannotate.pipeline.progress import Progress, Stage
from preannotate.pipeline.run_request import NOWHERE, Asked
from preannotate.pipeline.verification import Verifier
from preannotate.registry import publication, versions
from preannotate.registry.errors import WorkspaceError
from preannotate.registry.workspace import ModelFolder, VersionFolder, Workspace


@dataclass
class PipelineResult:
    """What came of a run.

    Attributes:
        version: That the run was about.
        published: Whether CVAT sees it now.
        refused: Why it was not published although that was asked; "" if it was.
    """

    version: VersionFolder
    published: bool = False
    refused: str = ""


@dataclass
class Pipeline:
    """One run.

    Attributes:
        workspace: Where the model lies.
        model: Locked by the caller.
        asked: What is to be done.
        connect: Logs in to CVAT.
        restart: Train anew although nothing changed.
        seconds: How long to wait until CVAT lists the function.
        held: Descriptor of the lock, for child processes.
        say: Takes a line for people at the end of each stage.
    """

    workspace: Workspace
    model: ModelFolder
    asked: Asked
    connect: Callable[[], Server]
    restart: bool
    seconds: float
    held: int | None
    say: Callable[[str], object]
    progress: Progress = field(init=False)
    _server: Server = field(init=False)
    _functions: Functions = field(init=False)
    _tasks: tuple[int, ...] = field(init=False)

    def run(self) -> PipelineResult:
        """Do it.

        Raises:
            CheckFailedError: What was built is not what was trained.
            PreannotateError: A stage could not run; what was done before stays.
        """
        self.progress = Progress.begin(self.model.progress, self._stages())
        outcome = PipelineResult(self._make(self._pull()))
        if self.asked.deploy != NOWHERE:
            self._publish(outcome)
            function = self._verify(outcome)
        else:
            function = ""
        if self.asked.annotate_rest:
            self._annotate(outcome, function)
        return outcome

    def _stages(self) -> list[str]:
        stages = ["pull", "train", "build", "check"]
        stages += [] if self.asked.deploy == NOWHERE else ["publish", "verify"]
        return [*stages, *(["annotate"] if self.asked.annotate_rest else [])]

    def _pull(self) -> dict[str, Any]:
        with self._stage("pull") as stage:
            server = self.connect()
            self._server = server
            self._functions = Functions(server)
            try:
                pulled = pull(
                    self._server,
                    PullScope(self.asked.tasks, self.asked.projects, self.asked.jobs),
                    self.model.dataset,
                    rules=FrameSelectionRules(
                        self.asked.completed_jobs, self.asked.include_auto, self.asked.accept_completed
                    ),
                    progress=self._images,
                )
            except OtherServerError as error:
                raise WorkspaceError(
                    f"{self.model.path}: was trained on tasks of another server than {self._server.url}; expected the "
                    f"same. Give the model another name with --name, or, if the server has moved, remove "
                    f"{self.model.dataset}."
                ) from error
            self._tasks = tuple(task["id"] for task in pulled.source["tasks"])
            for note in pulled.source["notes"]:
                self.say(f"note: {note}")
            if silent := pulled.source["left_out"].get(UNTOUCHED_COMPLETED):
                self.say(f"note: left out: frames {UNTOUCHED_COMPLETED}: {silent}. --accept-completed takes them.")
            counts = pulled.source["training"]
            stage.detail = (
                f"{counts['annotated']} frames with annotations, {counts['negatives']} that show nothing; "
                f"{pulled.downloaded} images downloaded"
            )
        return pulled.source

    def _images(self, done: int, total: int) -> None:
        if done % max(total // 100, 1) == 0:  # each writes a file
            self.progress.detail("pull", f"{done} of {total} images")

    def _make(self, source: dict[str, Any]) -> VersionFolder:
        """The version of what was pulled: an earlier one, or one that is trained, built and checked now."""
        with self._at("train"):  # reading all images takes its time where there are many
            options = training_options(source, self.asked)
            mark = inputs.fingerprint(self.model.dataset, self.asked, options)
            chosen = versions.choose(self.model, mark, restart=self.restart)
        version = chosen.version
        self.progress.version = version.number
        if version.complete:
            for name in ("train", "build", "check"):
                self._skip(name, chosen.why)
            return version
        making = VersionBuilder(self.model, self.asked, self.held)
        if making.is_trained(version):
            self._skip("train", f"version {version.number} is trained")
        else:
            with self._stage("train") as stage:
                self.progress.detail("train", chosen.why)
                stage.detail = making.train(version, options, lambda line: self.progress.detail("train", line))
        built = making.is_built(version)
        if built:
            self._skip("build", f"version {version.number} is built")
        else:
            with self._stage("build") as stage:
                stage.detail = making.build(version)
        with self._stage("check") as stage:
            stage.detail = making.check(version, just_built=not built)
        return version

    def _publish(self, outcome: PipelineResult) -> None:
        version, now = outcome.version, publication.published(self.model)
        if publication.is_published(self.workspace, version, self.asked.deploy):
            outcome.published = True
            self._skip("publish", f"version {version.number} is published")
            return
        if publication.was_taken_back(self.model, version.number):
            outcome.refused = (
                f"version {version.number} of {self.model.name} was taken back; expected new annotations or other "
                f"arguments. Publish it again: preannotate publish {self.model.name} {version.number}."
            )
            self._skip("publish", outcome.refused)
            return
        with self._stage("publish") as stage:
            if self.asked.only_if_better and now is not None and now.version != version.number:
                outcome.refused = self._worse_than(version, self.model.version(now.version))
            if outcome.refused:
                stage.detail = outcome.refused
                return
            publication.publish(self.workspace, self.model.name, version.number, deploy=self.asked.deploy)
            outcome.published = True
            stage.detail = f"version {version.number} in {self.workspace.functions / self.model.name}"

    def _worse_than(self, new: VersionFolder, old: VersionFolder) -> str:
        """Why the new version is not to replace the old one; "" if it is."""
        if not old.complete:
            return ""
        self.progress.detail("publish", f"comparing with version {old.number}")
        comparison = comparing.compare(new, old)
        words = comparing.describe(self.model.name, new.number, comparison)
        if not comparison.better:
            return words
        self.say(f"publish: {words}")
        return ""

    def _verify(self, outcome: PipelineResult) -> str:
        """The id under which CVAT lists the function; "" if it is not this version that is published."""
        if not outcome.published:
            self._skip("verify", f"version {outcome.version.number} is not published")
            return ""
        with self._stage("verify") as stage:
            verification = self._verifier("verify").verify(self._tasks[0])
            for note in verification.notes:
                self.say(f"note: {note}")
            stage.detail = verification.words
        return verification.function

    def _verifier(self, stage: str) -> Verifier:
        return Verifier(
            self._server,
            self._functions,
            self.workspace.functions / self.model.name,
            seconds=self.seconds,
            detail=lambda line: self.progress.detail(stage, line),
        )

    def _annotate(self, outcome: PipelineResult, function: str) -> None:
        """By CVAT where it has the function, else by this machine."""
        if self.asked.deploy != NOWHERE and not outcome.published:
            self._skip("annotate", f"version {outcome.version.number} is not published")
            return
        with self._stage("annotate") as stage:
            published = self.workspace.functions / self.model.name
            directory = published if function else outcome.version.function
            filler = AutoAnnotator(
                self._server,
                self._functions,
                function,
                directory,
                FunctionDirectory.open(directory).labels,
                lambda line: self.progress.detail("annotate", line),
            )
            filled = AutoAnnotationResult()
            for task in self._tasks:
                filler.fill(task, filled)
            for note in filled.notes:
                self.say(f"note: {note}")
            stage.detail = filled.words

    @contextmanager
    def _stage(self, name: str) -> Iterator[Stage]:
        with self.progress.running(name) as stage:
            yield stage
        self.say(f"{name}: {stage.detail}")

    @contextmanager
    def _at(self, name: str) -> Iterator[None]:
        """A stage that may turn out to have nothing to do: an error is its own, all the same."""
        try:
            yield
        except BaseException:
            with self.progress.running(name):
                raise

    def _skip(self, name: str, why: str) -> None:
        self.progress.skip(name, why)
        self.say(f"{name}: skipped, {why}")
