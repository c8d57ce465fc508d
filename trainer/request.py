"""What a new training is made of: from command line, scheduler or pipeline to the trainer, and back to a command line.

Nothing here loads NumPy or TensorFlow.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from preannotate.core.encodings import EncodingError, read_text
from preannotate.core.text import join_list
from trainer.arguments.table import format_value
from trainer.config import Overrides, RequestedConfig
from trainer.errors import TrainingError

# Model and base model are chosen by what the images say and what this machine has.
AUTO, NONE = "auto", "none"


@dataclass(frozen=True)
class TrainingRequest:
    """Request for a new training.

    Attributes:
        exports: Zips or folders of annotations.
        output: Folder of the run; None is only possible until the trainer chooses one.
        model: A name in `MODELS`, an old spelling of one, or `AUTO`.
        base_model: `AUTO` for the published weights of the model, which are those of COCO or of ImageNet; `coco` or
            `imagenet`, `none`, a path to a file of weights, or the folder of an earlier run of the same model.
        overrides: Arguments, from `arguments.read_arguments`.
        include_auto: Use automatic annotations.
        negatives: Use frames without annotations as images without objects.
        validation: Exports held out; if there are none, a part of `exports` is held out.
        unlabelled: Folders of images, or exports, whose images without annotations are for self-training.
        split_file: Names the validation images; None splits by content.
        images: File with the names of the images of `exports` to use; None uses all.
        labels: Classes to train on, in this order; None uses all that have a box.
        continue_run: Continue the run in `output` if there is one.
    """

    exports: tuple[Path, ...]
    output: Path | None = None
    model: str = AUTO
    base_model: str = AUTO
    overrides: Overrides = field(default_factory=dict)
    include_auto: bool = False
    negatives: bool = False
    validation: tuple[Path, ...] = ()
    unlabelled: tuple[Path, ...] = ()
    split_file: Path | None = None
    images: Path | None = None
    labels: tuple[str, ...] | None = None
    continue_run: bool = False

    @property
    def config(self) -> RequestedConfig:
        """The arguments as a record."""
        return RequestedConfig(**self.overrides)

    def check(self) -> None:
        """Find what is missing before TensorFlow is loaded, which takes seconds; a TrainingError names it."""
        if not self.exports:
            raise TrainingError("train: no EXPORT; expected annotations to train on, or --resume RUN to continue.")
        if self.continue_run and not self.output:
            raise TrainingError("--continue: no --output; expected the folder of the run.")
        for path in (*self.exports, *self.validation, *self.unlabelled):
            if not path.exists():
                raise TrainingError(f"{path}: no such file or folder; expected a zip or folder of annotations.")
        read_image_names(self.images)

    def to_argv(self, map_path: Callable[[Path], object] = str) -> list[str]:
        """Return the command line that follows `train` and makes another process do the same.

        `map_path` turns a path into what that process knows it by.
        """
        settings = ",".join(f"{name}={format_value(name, value)}" for name, value in self.overrides.items())
        values: dict[str, list[object]] = {
            "--model": [] if self.model == AUTO else [self.model],
            "--base-model": [] if self.base_model == AUTO else [self.base_model],
            "--arguments": [settings] if settings else [],
            "--validation": [map_path(path) for path in self.validation],
            "--unlabelled": [map_path(path) for path in self.unlabelled],
            "--split-file": [map_path(self.split_file)] if self.split_file else [],
            "--images": [map_path(self.images)] if self.images else [],
            "--labels": [join_list(self.labels)] if self.labels else [],
            "--output": [map_path(self.output)] if self.output else [],
        }
        switches = {
            "--include-auto": self.include_auto, "--negatives": self.negatives, "--continue": self.continue_run,
        }  # fmt: skip
        return [
            *(str(map_path(path)) for path in self.exports),
            *(str(word) for flag, words in values.items() if words for word in (flag, *words)),
            *(flag for flag, is_on in switches.items() if is_on),
        ]


def read_image_names(path: Path | None) -> list[str] | None:
    """Return the names of images in a file, one a line; None for no file. A TrainingError if it cannot be read."""
    if path is None:
        return None
    try:
        return [line.strip() for line in read_text(path).splitlines() if line.strip()]
    except (OSError, EncodingError) as error:
        raise TrainingError(f"{path}: {error}; expected a text file of image names, one a line.") from error
