"""Models of the workspace with their versions, and what can be done with them."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from builder import thresholds
from builder.errors import BuildError
from builder.function_directory import FunctionDirectory
from preannotate.core.errors import PreannotateError
from preannotate.core.text import format_scores
from preannotate.pipeline.run_request import RunRequest, read_run_request
from preannotate.registry import publication
from preannotate.registry.publication import Deploy
from preannotate.registry.workspace import ModelFolder, VersionFolder, Workspace
from preannotate.studio.errors import StudioError
from runtime.errors import FunctionError


@dataclass(frozen=True)
class VersionSummary:
    """A version of a model.

    Attributes:
        number: From 1.
        created: ISO 8601; "" if it is not finished.
        map50: On the frozen validation images; None if not known. Likewise `mean_ap`.
        model: Name of the network: "ssd-mobilenet-v2".
        images: {"train": 80, "validation": 20}.
        complete: Whether it can be published.
        published: Whether it is the version that CVAT lists.
        report: Whether there is a report.
        mask_map50: Of masks, of a function that gives them; None of others. Likewise `mask_mean_ap`.
    """

    number: int
    created: str
    map50: float | None
    mean_ap: float | None
    model: str
    images: Mapping[str, int]
    complete: bool
    published: bool
    report: bool
    mask_map50: float | None = None
    mask_mean_ap: float | None = None


@dataclass(frozen=True)
class Parity:
    """The result of the proof of a built function (`parity.json`).

    Attributes:
        passed: Whether the function is what was trained.
        facts: Name to value, as texts for a table: {"accuracy of the trained network": "mAP50 0.9310, mAP 0.6120", …}.
    """

    passed: bool
    facts: Mapping[str, str]


@dataclass(frozen=True)
class ModelSummary:
    """A model.

    Attributes:
        name: Of the model and of its function.
        versions: The newest first.
        published: Number of the version that CVAT lists; None if it lists none.
        before: Number of the version that a roll-back would publish; None if there is none.
        deploy: How it is published; None if it is not.
        shown: Number of the published version, else of the newest finished one; None if none is finished.
        labels: Of the version that is shown, as are the following three.
        threshold: Minimum score of a detection; None if no version is shown.
        thresholds: Label to its own threshold.
        parity: None if there is no proof that can be read.
        last_request: Of its last run; None if there was none.
        problem: A sentence if its files are damaged; None otherwise.
    """

    name: str
    versions: tuple[VersionSummary, ...] = ()
    published: int | None = None
    before: int | None = None
    deploy: Deploy | None = None
    shown: int | None = None
    labels: tuple[str, ...] = ()
    threshold: float | None = None
    thresholds: Mapping[str, float] = field(default_factory=dict)
    parity: Parity | None = None
    last_request: RunRequest | None = None
    problem: str | None = None

    def version(self, number: int | None) -> VersionSummary | None:
        """Return a version by its number."""
        return next((version for version in self.versions if version.number == number), None)


class Models:
    """The models of a workspace; names and numbers from strangers cannot lead out of it.

    Every method with a name raises WorkspaceError if there is no such model, BuildError if the name is malformed.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def get(self, name: str) -> ModelSummary:
        """Return a model."""
        return _summary(self._model(name))

    def publish(self, name: str, version: int, *, deploy: Deploy = Deploy.SERVE) -> None:
        """Publish a version; WorkspaceError if it is not finished, or could not be deployed."""
        publication.publish(self._workspace, self._model(name).name, version, deploy=deploy)

    def unpublish(self, name: str) -> None:
        """Remove the model from CVAT; WorkspaceError if it is not published."""
        publication.unpublish(self._workspace, self._model(name).name)

    def roll_back(self, name: str) -> None:
        """Publish the previous version again; WorkspaceError if there is none."""
        publication.roll_back(self._workspace, self._model(name).name)

    def report_file(self, name: str, version: int) -> Path:
        """Return the HTML report of a version; StudioError if there is none."""
        report = self._version(name, version).run / "report.html"
        if not report.is_file():
            raise StudioError(f"model {name!r}: no report of version {version}; expected a version that is trained.")
        return self._inside(report)

    def overlays(self, name: str, version: int) -> list[Path]:
        """Return validation images with a version's detections, by name; empty if there are none."""
        folder = self._version(name, version).run / "overlays"
        pictures = sorted(folder.glob("*.jpg")) if folder.is_dir() else []
        return [self._inside(picture) for picture in pictures if picture.is_file() and not picture.is_symlink()]

    def overlay(self, name: str, version: int, picture: str) -> Path:
        """Return one of `overlays` by its file name; StudioError if there is none of that name."""
        for path in self.overlays(name, version):
            if path.name == picture:
                return path
        raise StudioError(f"model {name!r}: no picture {picture!r} of version {version}; expected one of the list.")

    def set_threshold(self, name: str, version: int, value: float | Mapping[str, float]) -> None:
        """Change the minimum score of detections, of a version and of its published copy.

        `value` is for all labels, or label to value for these only.

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
                publication.deploy_function(copy.parent, now.deploy, now.arguments)

    def list(self) -> list[ModelSummary]:
        """Return all models, by name."""
        return [_summary(model) for model in self._workspace.models() if not model.path.is_symlink()]

    def _model(self, name: str) -> ModelFolder:
        model = self._workspace.existing(name)
        self._inside(model.path)
        return model

    def _version(self, name: str, number: int) -> VersionFolder:
        model = self._model(name)
        version = model.version(int(number))
        if number < 1 or not version.path.is_dir():
            known = ", ".join(str(one.number) for one in model.versions()) or "none"
            raise StudioError(f"model {name!r}: no version {number}; expected one of: {known}.")
        self._inside(version.path)
        return version

    def _inside(self, path: Path) -> Path:
        """Return the path if no link leads out of the workspace, else raise StudioError."""
        if not path.resolve().is_relative_to(self._workspace.path.resolve()):
            raise StudioError(f"{path}: leads out of the workspace; expected a file in it. Remove the link.")
        return path


def _summary(model: ModelFolder) -> ModelSummary:
    try:
        return _read(model)
    except (PreannotateError, FunctionError) as error:
        return ModelSummary(model.name, problem=str(error))
    except (OSError, TypeError, KeyError, ValueError, AttributeError) as error:
        return ModelSummary(model.name, problem=f"{model.path}: {error!r}; expected files of a run.")


def _read(model: ModelFolder) -> ModelSummary:
    now = publication.published(model)
    number = now.version if now else None
    versions = model.versions()
    finished = [version.number for version in versions if version.complete]
    shown = number if number in finished else max(finished, default=None)
    directory = FunctionDirectory.open(model.version(shown).function) if shown else None
    manifest = directory.manifest if directory else None
    scores = manifest.postprocess if manifest else None
    return ModelSummary(
        name=model.name,
        versions=tuple(_version_summary(version, number) for version in reversed(versions)),
        published=number,
        before=publication.version_before(model),
        deploy=now.deploy if now else None,
        labels=manifest.labels if manifest else (),
        threshold=scores.threshold if scores else None,
        thresholds=dict(zip(manifest.labels, scores.thresholds, strict=True)) if manifest and scores else {},
        parity=_parity(directory) if directory else None,
        shown=shown,
        last_request=read_run_request(model.run_request),
    )


def _version_summary(version: VersionFolder, published: int | None) -> VersionSummary:
    record = version.record()
    map50, mean_ap = version.scores()
    mask_map50, mask_mean_ap = version.mask_scores()
    return VersionSummary(
        number=version.number,
        created=str(record.get("created") or ""),
        map50=map50,
        mean_ap=mean_ap,
        model=str(record.get("model") or ""),
        images=version.images(),
        complete=version.complete,
        published=version.number == published,
        report=(version.run / "report.html").is_file(),
        mask_map50=mask_map50,
        mask_mean_ap=mask_mean_ap,
    )


_NAMES = {
    "reference": "the trained network",
    "ir": "OpenVINO",
    "served": "the function's answers",
    "saved_model": "TensorFlow",
    "served_gpu": "the GPU variant's answers",
}


def _parity(directory: FunctionDirectory) -> Parity | None:
    try:
        proof = directory.proof()
        if proof is None:
            return None
        content, problems = proof.figures, _proof_problems(directory, directory.change_mark)
        scores, differences = content.get("scores", {}), content.get("differences", {})
        # Of an imported model without annotated images.
        measured = "agreement" if content.get("boxes") == 0 else "accuracy"
        facts = {"validation images": str(content.get("images", "")), "boxes on them": str(content.get("boxes", ""))}
        facts |= {
            f"{measured} of {_NAMES[name]}": format_scores(one["map50"], one.get("mean_ap"), 4)
            for name, one in scores.items()
            if name in _NAMES
        }
        facts |= {
            f"{measured} of the masks of {_NAMES[name]}": format_scores(one["mask_map50"], one.get("mask_mean_ap"), 4)
            for name, one in scores.items()
            if name in _NAMES and "mask_map50" in one
        }
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
