"""The stages `train`, `build` and `check`: a pull becomes a version, each step by a command of its own."""

import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from builder.function_directory import PARITY_FILE
from preannotate.core import child_process
from preannotate.cvat.dataset_folder import VALIDATION
from preannotate.cvat.source import training_labels
from preannotate.formats.cvat_xml import FILE_NAME
from preannotate.pipeline import kubernetes
from preannotate.pipeline.run_request import IMAGENET, PREVIOUS, Asked
from preannotate.registry import versions
from preannotate.registry.errors import WorkspaceError
from preannotate.registry.workspace import ModelFolder, VersionFolder, read_json

_BAR = "training {percentage:3.0f}%|{bar}| {desc}"
Detail = Callable[[str], object]
_LESS_MEMORY = "Lower batch_size or image_size in --arguments"


@dataclass(frozen=True)
class VersionBuilder:
    """How versions of a model are made.

    Attributes:
        model: Theirs.
        asked: Model, arguments, base model.
        held: Descriptor of the model's lock, which the children hold as well.
    """

    model: ModelFolder
    asked: Asked
    held: int | None = None

    def train(self, version: VersionFolder, options: list[str], detail: Detail) -> str:
        """Train, or go on from the last checkpoint; returns a line for people.

        Args:
            version: Begun.
            options: From `training_options`.
            detail: Told where it is.

        Raises:
            ChildError: It could not run.
        """
        with _Shown(version.run / "pace.json", detail) as shown:
            self._train(version, options, shown.look)
        summary = read_json(version.run / "summary.json")
        scores = summary["validation"]
        return (
            f"version {version.number}: {summary['epochs']} epochs in {_words(summary['seconds'])}, "
            f"mAP50 {scores['map50']:.3f} on {scores['images']} validation images"
        )

    def build(self, version: VersionFolder) -> str:
        """Make the function, which proves it; returns a line for people.

        Raises:
            CheckFailedError: It does not answer as the trained network does.
            ChildError: It could not run.
        """
        version.function.parent.mkdir(parents=True, exist_ok=True)
        for draft in version.function.parent.glob(f".{version.name}.*"):  # of a build that was killed
            shutil.rmtree(draft, ignore_errors=True)
        command = ["build", str(version.run), "--name", version.name, "--output", str(version.function.parent)]
        child_process.run_module("preannotate", [*command, "--overwrite", "--json"], lock=self.held)
        return f"version {version.number}: function {version.name}"

    def check(self, version: VersionFolder, *, just_built: bool) -> str:
        """Hold the function against the trained network, unless the build has just done so; note the version.

        Raises:
            CheckFailedError: It is not what was trained.
            ChildError: It could not run.
        """
        if not just_built:
            child_process.run_module("preannotate", ["check", str(version.function), "--json"], lock=self.held)
        content = versions.record(version)
        images = content["images"].get("validation", 0)
        return f"served mAP50 {content['map50']:.3f} on {images} frozen image{'' if images == 1 else 's'}"

    def is_trained(self, version: VersionFolder) -> bool:
        """Whether the training came to its end."""
        return (version.run / "summary.json").is_file()

    def is_built(self, version: VersionFolder) -> bool:
        """Whether there is a whole function: `build` puts it in place last."""
        return (version.function / "nuclio" / PARITY_FILE).is_file()

    def _train(self, version: VersionFolder, options: list[str], look: Callable[[], object]) -> None:
        if not self.asked.kubernetes:
            arguments = self._command(version, options)
            child_process.run_module("preannotate", arguments, lock=self.held, poll=look, remedy=_LESS_MEMORY)
            return
        here = replace(self, model=ModelFolder(self.model.path.resolve()))
        command = here._command(here.model.version(version.number), options)
        where = kubernetes.KubernetesCluster.parse(self.asked.kubernetes)
        kubernetes.train(command, where, name=f"{version.name}-{version.number}", held=self.held, look=look)

    def _command(self, version: VersionFolder, options: list[str]) -> list[str]:
        command = ["train", str(self.model.dataset), "--output", str(version.run), "--continue", "--json", *options]
        if (self.model.dataset / VALIDATION / FILE_NAME).is_file():
            command += ["--validation", str(self.model.dataset / VALIDATION)]
        command += ["--model", self.asked.model, "--base-model", self._base(version)]
        return [*command, f"--arguments={self.asked.arguments}"] if self.asked.arguments else command

    def _base(self, version: VersionFolder) -> str:
        if self.asked.base_model != PREVIOUS:
            return self.asked.base_model
        before = versions.previous(self.model, version)
        return str(before.run) if before is not None else IMAGENET


def training_options(source: dict[str, Any], asked: Asked) -> list[str]:
    """What `pull` itself recommends for what it brought, without the path of the validation part.

    Args:
        source: The content of `source.json`.
        asked: By the user.
    """
    negatives = source["training"]["negatives"] + source["validation"]["negatives"]
    said = [*(["--negatives"] if negatives else []), *(["--include-auto"] if asked.include_auto else [])]
    return [*said, *training_labels(source)]


class _Shown:
    """`pace.json` as a bar on a terminal, and as a line."""

    def __init__(self, path: Path, detail: Detail) -> None:
        self._path, self._detail, self._said = path, detail, ""
        self._bar = tqdm(total=100, bar_format=_BAR, file=sys.stderr, disable=None, leave=False)

    def look(self) -> None:
        """Show what changed."""
        try:
            pace = read_json(self._path)
        except WorkspaceError:  # a damaged file is replaced by the next
            return
        if not pace:
            return
        left = pace.get("seconds_left")
        line = f"epoch {pace['epoch']} of {pace['epochs']}" + ("" if left is None else f", {_words(left)} left")
        if line == self._said:
            return
        self._said = line
        self._detail(line)
        self._bar.n = 100 * pace["step"] / max(pace["steps"], 1)
        self._bar.set_description_str(line)  # and draws it

    def __enter__(self) -> "_Shown":
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()


def _words(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} minutes"
