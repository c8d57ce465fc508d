"""Models of the workspace with their versions, and what can be done with them."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from builder import thresholds
from builder.errors import BuildError
from builder.function_directory import FunctionDirectory
from preannotate.core.errors import PreannotateError
from preannotate.pipeline.run_request import RunRequest, read_run_request
from preannotate.registry import publication
from preannotate.registry.publication import Deploy
from preannotate.registry.workspace import ModelFolder, VersionFolder, Workspace
from preannotate.studio.errors import StudioError
from runtime.errors import FunctionError
from runtime.manifest import Manifest


@dataclass(frozen=True)
class VersionSummary:
    """A version.

    Attributes:
        number: From 1.
        created: ISO 8601; "" if it is not finished.
        map50: On the frozen validation images; None if not known.
        mean_ap: The same.
        model: Name of the network: "ssd-mobilenet-v2".
        images: {"train": 80, "validation": 20}.
        complete: Whether it can be published.
        published: Whether CVAT sees this one.
        report: Whether there is a report.
    """

    number: int
    created: str
    map50: float | None
    mean_ap: float | None
    model: str
    images: Mapping[str, int]
    complete: bool
    published: bool
    report: bool = False


@dataclass(frozen=True)
class Parity:
    """What the proof of a built function said (`parity.json`).

    Attributes:
        passed: Whether the function is what was trained.
        facts: Name to value, as texts for a table: {"mAP50 of the trained network": "0.931", …}.
    """

    passed: bool
    facts: Mapping[str, str]


@dataclass(frozen=True)
class ModelSummary:
    """A model.

    Attributes:
        name: Of the model and of its function.
        versions: The newest first.
        published: Number of the version that CVAT sees; None if it sees none.
        before: Number of the version that `roll_back` would publish; None if there is none.
        deploy: How it is published; None if it is not.
        labels: Of the published version, else of the newest finished one.
        threshold: Score from which a detection counts, of the same version; None if there is none.
        thresholds: Label to its own threshold.
        parity: Of the same version; None if there is none.
        shown: Number of the version that these are of; None if none is finished.
        last_request: Of its last run; None if there was none.
        problem: A sentence if its files are damaged; "" otherwise.
    """

    name: str
    versions: tuple[VersionSummary, ...]
    published: int | None
    before: int | None = None
    deploy: Deploy | None = None
    labels: tuple[str, ...] = ()
    threshold: float | None = None
    thresholds: Mapping[str, float] = field(default_factory=dict)
    parity: Parity | None = None
    shown: int | None = None
    last_request: RunRequest | None = None
    problem: str = ""


class Models:
    """The models of a workspace; names and numbers from strangers cannot lead out of it.

    Every method with a name raises WorkspaceError if there is no such model, BuildError if it can be no name.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def get(self, name: str) -> ModelSummary:
        """One model."""
        return _summary(self._model(name))

    def publish(self, name: str, version: int, *, deploy: Deploy = Deploy.SERVE) -> None:
        """Let CVAT see a version.

        Raises:
            WorkspaceError: It is not finished, or could not be deployed.
        """
        publication.publish(self._workspace, self._model(name).name, version, deploy=deploy)

    def unpublish(self, name: str) -> None:
        """Take the model away from CVAT.

        Raises:
            WorkspaceError: It is not published.
        """
        publication.unpublish(self._workspace, self._model(name).name)

    def roll_back(self, name: str) -> None:
        """Publish the version that was there before.

        Raises:
            WorkspaceError: There is none.
        """
        publication.roll_back(self._workspace, self._model(name).name)

    def report_file(self, name: str, version: int) -> Path:
        """The page of a version's training.

        Raises:
            StudioError: There is none.
        """
        found = self._version(name, version)
        report = found.run / "report.html"
        if not report.is_file():
            raise StudioError(f"model {name!r}: no report of version {version}; expected a version that is trained.")
        return self._inside(report)

    def overlays(self, name: str, version: int) -> list[Path]:
        """Pictures of what a version found on validation images, by name; empty if there are none."""
        folder = self._version(name, version).run / "overlays"
        pictures = sorted(folder.glob("*.jpg")) if folder.is_dir() else []
        return [self._inside(picture) for picture in pictures if not picture.is_symlink()]

    def overlay(self, name: str, version: int, picture: str) -> Path:
        """One of `overlays` by its file name.

        Raises:
            StudioError: There is none of that name.
        """
        for path in self.overlays(name, version):
            if path.name == picture:
                return path
        raise StudioError(f"model {name!r}: no picture {picture!r} of version {version}; expected one of the list.")

    def set_threshold(self, name: str, version: int, value: float | Mapping[str, float]) -> None:
        """Change the score from which detections count, of a version and of its published copy.

        Args:
            name: Of the model.
            version: Number.
            value: For all labels; or label to value, for these only.

        Raises:
            StudioError: The version is not finished.
            BuildError: A value outside [0, 1], an unknown label, or a `model.json` that is not the proven one.
            WorkspaceError: The published copy could not be deployed.
        """
        found = self._version(name, version)
        if not found.complete:
            raise StudioError(f"model {name!r}: version {version} is not finished; expected one that is.")
        model = self._model(name)
        with model.locked():  # nobody publishes or builds meanwhile
            where = f"model {name!r}, version {version}"
            thresholds.change_threshold(self._inside(found.function / "nuclio"), value, where=where)
            now = publication.published(model)
            copy = self._workspace.functions / name / "nuclio"
            if now is not None and now.version == version and copy.is_dir():
                thresholds.change_threshold(self._inside(copy), value, where=where)
                publication.deploy_function(copy.parent, now.deploy)

    def list(self) -> list[ModelSummary]:
        """All models, by name."""
        return [_summary(model) for model in self._workspace.models() if not model.path.is_symlink()]

    def _model(self, name: str) -> ModelFolder:
        model = self._workspace.existing(name)
        self._inside(model.path)
        return model

    def _version(self, name: str, number: int) -> VersionFolder:
        """A version that is there."""
        model = self._model(name)
        version = model.version(int(number))
        if number < 1 or not version.path.is_dir():
            known = ", ".join(str(one.number) for one in model.versions()) or "none"
            raise StudioError(f"model {name!r}: no version {number}; expected one of: {known}.")
        self._inside(version.path)
        return version

    def _inside(self, path: Path) -> Path:
        """The path, if no link leads out of the workspace."""
        if not path.resolve().is_relative_to(self._workspace.path.resolve()):
            raise StudioError(f"{path}: leads out of the workspace; expected a file in it. Remove the link.")
        return path


def _summary(model: ModelFolder) -> ModelSummary:
    try:
        return _read(model)
    except (PreannotateError, FunctionError) as error:
        return ModelSummary(model.name, (), None, problem=str(error))
    except (OSError, TypeError, KeyError, ValueError, AttributeError) as error:
        return ModelSummary(model.name, (), None, problem=f"{model.path}: {error!r}; expected files of a run.")


def _read(model: ModelFolder) -> ModelSummary:
    now = publication.published(model)
    number = now.version if now else None
    versions = model.versions()
    finished = [version.number for version in versions if version.complete]
    shown = number if number in finished else max(finished, default=None)
    manifest = _manifest(model.version(shown)) if shown else None
    cut = manifest.postprocess if manifest else None
    return ModelSummary(
        name=model.name,
        versions=tuple(_version_summary(version, number) for version in reversed(versions)),
        published=number,
        before=publication.version_before(model),
        deploy=now.deploy if now else None,
        labels=manifest.labels if manifest else (),
        threshold=cut.threshold if cut else None,
        thresholds=dict(zip(manifest.labels, cut.thresholds, strict=True)) if manifest and cut else {},
        parity=_parity(model.version(shown)) if shown else None,
        shown=shown,
        last_request=read_run_request(model.run_request),
    )


def _version_summary(version: VersionFolder, published: int | None) -> VersionSummary:
    record = version.record()
    return VersionSummary(
        number=version.number,
        created=str(record.get("created") or ""),
        map50=record.get("map50"),
        mean_ap=record.get("mean_ap"),
        model=str(record.get("model") or ""),
        images=record.get("images") or {},
        complete=version.complete,
        published=version.number == published,
        report=(version.run / "report.html").is_file(),
    )


def _manifest(version: VersionFolder) -> Manifest:
    return FunctionDirectory.open(version.function).manifest


_NAMES = {
    "reference": "the trained network",
    "ir": "OpenVINO",
    "served": "the function's answers",
    "saved_model": "TensorFlow",
    "served_gpu": "the GPU variant's answers",
}


def _parity(version: VersionFolder) -> Parity | None:
    """The proof in a few facts; None if there is none that can be read."""
    try:
        directory = FunctionDirectory.open(version.function)
        proof = directory.proof()
        if proof is None:
            return None
        content, problems = proof.figures, _proof_problems(directory, directory.change_mark)
        scores, differences = content.get("scores", {}), content.get("differences", {})
        facts = {"validation images": str(content.get("images", "")), "boxes on them": str(content.get("boxes", ""))}
        facts |= {f"mAP50 of {_NAMES[name]}": f"{one['map50']:.4f}" for name, one in scores.items() if name in _NAMES}
        facts |= {
            f"{name}: detections that differ": f"{one['unmatched'] + one['beyond_tolerance']} of {one['detections']}"
            for name, one in differences.items()
        }
        facts |= {f"problem {number}": text for number, text in enumerate(problems, 1)}
        return Parity(not problems, facts)
    except (BuildError, KeyError, TypeError, AttributeError):
        return None


@functools.lru_cache(maxsize=256)
def _proof_problems(directory: FunctionDirectory, change_mark: str) -> tuple[str, ...]:
    """`FunctionDirectory.proof_problems`, which reads the whole model, once for each change of the directory."""
    return tuple(directory.proof_problems())
