"""Models of the workspace with their versions, and what can be done with them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


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
        deploy: How it is published: "serve" or "nuctl"; "" if it is not.
        labels: Of the published version, else of the newest finished one.
        threshold: Score from which a detection counts, of the same version; None if there is none.
        thresholds: Label to its own threshold.
        parity: Of the same version; None if there is none.
        shown: Number of the version that these are of; None if none is finished.
        asked: Content of `asked.json`: where it came from; empty if nobody asked.
        problem: A sentence if its files are damaged; "" otherwise.
    """

    name: str
    versions: tuple[VersionSummary, ...]
    published: int | None
    before: int | None = None
    deploy: str = ""
    labels: tuple[str, ...] = ()
    threshold: float | None = None
    thresholds: Mapping[str, float] = field(default_factory=dict)
    parity: Parity | None = None
    shown: int | None = None
    asked: Mapping[str, Any] = field(default_factory=dict)
    problem: str = ""


class Models:
    """The models of a workspace; names and numbers from strangers cannot lead out of it.

    Every method with a name raises LoopError if there is no such model, BuildError if it can be no name.
    """

    def get(self, name: str) -> ModelSummary:
        """One model."""
        raise NotImplementedError

    def publish(self, name: str, version: int, *, deploy: str = "serve") -> None:
        """Let CVAT see a version.

        Raises:
            LoopError: It is not finished, or could not be deployed.
        """
        raise NotImplementedError

    def unpublish(self, name: str) -> None:
        """Take the model away from CVAT.

        Raises:
            LoopError: It is not published.
        """
        raise NotImplementedError

    def roll_back(self, name: str) -> None:
        """Publish the version that was there before.

        Raises:
            LoopError: There is none.
        """
        raise NotImplementedError

    def report_file(self, name: str, version: int) -> Path:
        """The page of a version's training.

        Raises:
            StudioError: There is none.
        """
        raise NotImplementedError

    def overlays(self, name: str, version: int) -> list[Path]:
        """Pictures of what a version found on validation images, by name; empty if there are none."""
        raise NotImplementedError

    def overlay(self, name: str, version: int, picture: str) -> Path:
        """One of `overlays` by its file name.

        Raises:
            StudioError: There is none of that name.
        """
        raise NotImplementedError

    def set_threshold(self, name: str, version: int, value: float | Mapping[str, float]) -> None:
        """Change the score from which detections count, of a version and of its published copy.

        Args:
            name: Of the model.
            version: Number.
            value: For all labels; or label to value, for these only.

        Raises:
            StudioError: A value outside [0, 1], an unknown label, or a version that is not finished.
        """
        raise NotImplementedError

    def list(self) -> list[ModelSummary]:
        """All models, by name."""
        raise NotImplementedError
