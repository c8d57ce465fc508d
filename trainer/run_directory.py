"""The folder of a run: where everything lies, and how files there are replaced whole.

All paths inside are relative, so that a run can be moved or copied to another machine.
"""

import os
from pathlib import Path

from trainer.errors import TrainingError


class RunDirectory:
    """Names of the files of a run.

    Attributes:
        path: The folder.

    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)

    @classmethod
    def create(cls, path: Path) -> "RunDirectory":
        """Make the folder of a new run.

        Raises:
            TrainingError: It exists and is not empty, or cannot be made.

        """
        run = cls(path)
        if run.path.exists() and (not run.path.is_dir() or any(run.path.iterdir())):
            raise TrainingError(
                f"{path}: exists and is not empty; expected a new folder. "
                f"Pass another --output, or --resume {path} to continue."
            )
        try:
            run.checkpoints.mkdir(parents=True)
        except OSError as error:
            raise TrainingError(f"{path}: {error.strerror}; expected a folder that can be made.") from error
        return run

    @classmethod
    def open(cls, path: Path) -> "RunDirectory":
        """The folder of a run that was started.

        Raises:
            TrainingError: There is none.

        """
        run = cls(path)
        if not run.config.is_file():
            raise TrainingError(f"{path}: no config.json; expected the folder of a run. Start one with train EXPORT.")
        return run

    @property
    def state(self) -> str:
        """`finished`, `interrupted`, `begun` (a run's files alone, without a state to continue from) or `absent`."""
        if self.summary.is_file():
            return "finished"
        if self.config.is_file() and any(self.checkpoints.glob("epoch-*")):
            return "interrupted"
        own = {path.name for path in (self.checkpoints, self.config, self.dataset, self.data, self.log, self.pace)}
        begun = self.checkpoints.is_dir() and {path.name for path in self.path.iterdir()} <= own
        return "begun" if begun else "absent"

    @property
    def config(self) -> Path:
        """Every resolved value."""
        return self.path / "config.json"

    @property
    def dataset(self) -> Path:
        """The health summary."""
        return self.path / "dataset.json"

    @property
    def data(self) -> Path:
        """The run's own copy of its images, with both parts of the split."""
        return self.path / "data"

    @property
    def checkpoints(self) -> Path:
        """States that training can continue from, and the best weights."""
        return self.path / "checkpoints"

    @property
    def metrics(self) -> Path:
        """A row for each epoch."""
        return self.path / "metrics.csv"

    @property
    def pace(self) -> Path:
        """Where training is and how long it will take, for whoever shows it."""
        return self.path / "pace.json"

    @property
    def log(self) -> Path:
        """What was said."""
        return self.path / "log.txt"

    @property
    def overlays(self) -> Path:
        """Validation images with ground truth and detections."""
        return self.path / "overlays"

    @property
    def export(self) -> Path:
        """What the builder takes."""
        return self.path / "export"

    @property
    def summary(self) -> Path:
        """The outcome."""
        return self.path / "summary.json"

    @property
    def measurements(self) -> Path:
        """Speed and agreement of the exported model on the machine that trained it."""
        return self.path / "measurements.json"

    @property
    def report(self) -> Path:
        """All of it on a page."""
        return self.path / "report.html"


def replace_text(path: Path, text: str) -> None:
    """Write a file so that it is the old one or the new one at any moment."""
    temporary = path.with_name(f".{path.name}.new")
    with temporary.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
