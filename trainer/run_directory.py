"""The folder of a run: where each file is, and how far the run has come.

All paths inside are relative, so that a run can be moved or copied to another machine.
"""

from enum import StrEnum
from pathlib import Path
from typing import Any, TypedDict

from trainer.errors import TrainingError
from trainer.self_training_result import SelfTrainingResult


class RunState(StrEnum):
    """How far a run has come.

    FINISHED has a summary, INTERRUPTED a checkpoint to continue from, BEGUN only files from before the first step;
    ABSENT is no folder of a run.
    """

    FINISHED = "finished"
    INTERRUPTED = "interrupted"
    BEGUN = "begun"
    ABSENT = "absent"


class Summary(TypedDict):
    """Content of `summary.json`: the result of a run. Paths are relative to its folder.

    `validation_masks` are the scores of masks, as `validation` those of boxes; None of a network without masks, or
    where no mask was annotated.
    """

    run: str
    labels: list[str]
    epochs: int
    best_epoch: int
    stopped_early: bool
    seconds: float
    validation: dict[str, Any]
    validation_masks: dict[str, Any] | None
    decisive: dict[str, float]
    thresholds: dict[str, float]
    self_training: SelfTrainingResult | None
    export: str
    overlays: str


class RunDirectory:
    """Paths of the files of a run."""

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        # All that the run was trained with (`config.RunConfig`), and the health summary of its data.
        self.config = self.path / "config.json"
        self.dataset = self.path / "dataset.json"
        # The run's own copy of its images, with both parts of the split.
        self.data = self.path / "data"
        # States that training can continue from, and the best weights.
        self.checkpoints = self.path / "checkpoints"
        # A row for each epoch; how far training is (`core.progress`); log messages.
        self.metrics = self.path / "metrics.csv"
        self.progress = self.path / "progress.json"
        self.log = self.path / "log.txt"
        # Validation images with ground truth and detections drawn on them.
        self.overlays = self.path / "overlays"
        # The input of the builder.
        self.export = self.path / "export"
        # The result (`Summary`); speed and parity of the exported model on the machine that trained it; the report.
        self.summary = self.path / "summary.json"
        self.measurements = self.path / "measurements.json"
        self.report = self.path / "report.html"

    @classmethod
    def create(cls, path: Path) -> "RunDirectory":
        """Create the folder of a new run; a TrainingError if it is not empty, or cannot be created."""
        run = cls(path)
        if run.path.exists() and (not run.path.is_dir() or any(run.path.iterdir())):
            raise TrainingError(
                f"{path}: exists and is not empty; expected a new folder. "
                f"Pass another --output, or --resume {path} to continue."
            )
        try:
            run.checkpoints.mkdir(parents=True)
        except OSError as error:
            raise TrainingError(f"{path}: {error.strerror}; expected a folder that can be created.") from error
        return run

    @classmethod
    def open(cls, path: Path) -> "RunDirectory":
        """Return the folder of a run that was started; a TrainingError if it is none."""
        run = cls(path)
        if not run.config.is_file():
            raise TrainingError(f"{path}: no config.json; expected the folder of a run. Start one with train EXPORT.")
        return run

    @property
    def state(self) -> RunState:
        """How far the run has come."""
        if self.summary.is_file():
            return RunState.FINISHED
        if self.config.is_file() and any(self.checkpoints.glob("epoch-*")):
            return RunState.INTERRUPTED
        own = {path.name for path in (self.checkpoints, self.config, self.dataset, self.data, self.log, self.progress)}
        begun = self.checkpoints.is_dir() and {path.name for path in self.path.iterdir()} <= own
        return RunState.BEGUN if begun else RunState.ABSENT
