"""The stages `train`, `build` and `check`: a pull becomes a version, each step by a command of its own.

`inputs_fingerprint` is what a version is made from: if an earlier version has the same, nothing is trained again.
"""

import contextlib
import hashlib
import json
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from builder.function_directory import file_digest
from preannotate.core import child_process
from preannotate.core.errors import FileError
from preannotate.core.files import read_json
from preannotate.core.progress import ProgressWriter, read_progress
from preannotate.core.text import format_duration, format_scores, plural
from preannotate.cvat.dataset_folder import IMAGES, SOURCE, UNLABELLED, VALIDATION
from preannotate.formats.cvat_xml import FILE_NAME
from preannotate.pipeline import kubernetes
from preannotate.pipeline.run_request import PREVIOUS, RunRequest
from preannotate.registry import versions
from preannotate.registry.workspace import ModelFolder, VersionFolder
from trainer.arguments import read_arguments
from trainer.request import AUTO
from trainer.self_training_result import describe

_BAR = "training {percentage:3.0f}%|{bar}| {desc}"
# What people may change in CVAT without a box becoming another one.
_COLOUR = re.compile(rb"<color>[^<]*</color>")
_LABELS = re.compile(rb"<labels>.*</labels>", re.DOTALL)
# Frames without annotations, as a part of those with, from which self-training is worth its time.
_LEAST_UNLABELLED = 0.25
_LESS_MEMORY = "Lower batch_size or image_size in --arguments"


@dataclass(frozen=True)
class VersionBuilder:
    """Trains, builds and checks versions of a model; `lock` is its lock's descriptor, which child processes inherit."""

    model: ModelFolder
    request: RunRequest
    progress: ProgressWriter
    lock: int | None = None

    def train(self, version: VersionFolder, options: list[str]) -> str:
        """Train with `training_options`, or continue from the last checkpoint; return a line for people.

        Raises:
            ChildError: The training failed.
            PipelineError: The cluster failed.
        """
        with _training_shown(version.run / "progress.json", self.progress) as poll:
            self._train(version, options, poll)
        summary = read_json(version.run / "summary.json")
        scores, result, masks = (summary.get(key) for key in ("validation", "self_training", "validation_masks"))
        of_masks = f", masks {format_scores(masks['map50'], masks['mean_ap'])}" if masks else ""
        return (
            f"version {version.number}: {plural(summary['epochs'], 'epoch')} in "
            f"{format_duration(summary['seconds'])}, {format_scores(scores['map50'], scores['mean_ap'])}{of_masks} on "
            f"{plural(scores['images'], 'validation image')}{f'; {describe(result)}' if result else ''}"
        )

    def build(self, version: VersionFolder) -> str:
        """Build and verify the function; return a line for people.

        Raises:
            CheckFailedError: Its detections are not those of the trained network.
            ChildError: The build failed.
        """
        version.function.parent.mkdir(parents=True, exist_ok=True)
        for draft in version.function.parent.glob(f".{version.name}.*"):  # of a build that was killed
            shutil.rmtree(draft, ignore_errors=True)
        command = ["build", str(version.run), "--name", version.name, "--output", str(version.function.parent)]
        child_process.run_module("preannotate", [*command, "--overwrite", "--json"], lock=self.lock)
        return f"version {version.number}: function {version.name}"

    def check(self, version: VersionFolder, *, just_built: bool) -> str:
        """Compare the function with the trained network, unless the build has just done so; record the version.

        Raises:
            CheckFailedError: Its detections are not those of the trained network.
            ChildError: The check failed.
        """
        if not just_built:
            child_process.run_module("preannotate", ["check", str(version.function), "--json"], lock=self.lock)
        content = versions.record_version(version)
        images = content["images"].get("validation", 0)
        scores = format_scores(content["map50"], content["mean_ap"])
        return f"served {scores} on {plural(images, 'frozen image')}"

    def _train(self, version: VersionFolder, options: list[str], poll: Any) -> None:
        if self.request.kubernetes is None:
            arguments = self._command(version, options)
            child_process.run_module("preannotate", arguments, lock=self.lock, poll=poll, remedy=_LESS_MEMORY)
            return
        here = replace(self, model=ModelFolder(self.model.path.resolve()))
        command = here._command(here.model.version(version.number), options)
        cluster = kubernetes.KubernetesCluster.parse(self.request.kubernetes)
        kubernetes.train(command, cluster, name=f"{version.name}-{version.number}", lock=self.lock, poll=poll)

    def _command(self, version: VersionFolder, options: list[str]) -> list[str]:
        command = ["train", str(self.model.dataset), "--output", str(version.run), "--continue", "--json", *options]
        if (self.model.dataset / VALIDATION / FILE_NAME).is_file():
            command += ["--validation", str(self.model.dataset / VALIDATION)]
        if self._has_unlabelled():
            command += ["--unlabelled", str(self.model.dataset / UNLABELLED)]
        command += ["--model", self.request.model, "--base-model", self._base_model(version)]
        return [*command, f"--arguments={self.request.arguments}"] if self.request.arguments else command

    def _has_unlabelled(self) -> bool:
        """Whether there are enough frames without annotations to take the time for self-training."""
        source = read_json(self.model.dataset / SOURCE) or {}
        few = source.get("unlabelled", 0) < _LEAST_UNLABELLED * source.get("training", {}).get("annotated", 0)
        return (self.model.dataset / UNLABELLED).is_dir() and not few

    def _base_model(self, version: VersionFolder) -> str:
        if self.request.base_model != PREVIOUS:
            return self.request.base_model
        before = versions.previous_version(self.model, version)
        # An imported version has no weights that a training could start from.
        return str(before.run) if before is not None and (before.run / "summary.json").is_file() else AUTO


def training_options(source: dict[str, Any], request: RunRequest) -> list[str]:
    """Return the options of `train` that a pull recommends, without the validation part; `source` is `source.json`."""
    negatives = source["training"]["negatives"] + source["validation"]["negatives"]
    return [*(["--negatives"] if negatives else []), *(["--include-auto"] if request.include_auto else [])]


@contextlib.contextmanager
def _training_shown(path: Path, progress: ProgressWriter) -> Iterator[Any]:
    """Yield what copies the trainer's own progress into that of the run, and into a bar on a terminal."""
    with tqdm(total=100, bar_format=_BAR, file=sys.stderr, disable=None, leave=False) as bar:
        shown = ""

        def poll() -> None:
            nonlocal shown
            try:
                training = read_progress(path)
            except FileError:  # a damaged file is replaced by the next one
                return
            if training is None or not training.stages:
                return
            stage = training.stages[0]
            line = stage.detail
            if stage.seconds_left is not None:
                line += f", {format_duration(stage.seconds_left)} left"
            copied = {name: getattr(stage, name) for name in ("done", "total", "unit", "seconds_left")}
            progress.update("train", detail=line, **copied)
            if line != shown:
                shown = line
                bar.n = 100 * stage.fraction
                bar.set_description_str(line)  # and draws it

        yield poll


def inputs_fingerprint(dataset: Path, request: RunRequest, options: list[str]) -> str:
    """Return the fingerprint of annotations, images and training settings; the same wherever the workspace lies.

    `--base-model previous` counts as the word alone: which version that is depends on what was trained before, and
    training a version must not make it out of date.

    Raises:
        TrainingError: A training argument has an impossible value.
    """
    digest = hashlib.sha256()
    for part in _parts(dataset, request, options):
        digest.update(json.dumps(part, sort_keys=True).encode() + b"\n")
    return digest.hexdigest()


def _parts(dataset: Path, request: RunRequest, options: list[str]) -> Iterator[Any]:
    yield {
        "model": request.model,
        "arguments": read_arguments(None, request.arguments, []),
        "base_model": _base_model(request.base_model),
        "options": options,
    }
    for folder in (dataset, dataset / VALIDATION, dataset / UNLABELLED):
        if (folder / FILE_NAME).is_file():
            yield [folder.relative_to(dataset).as_posix(), _annotations(folder / FILE_NAME)]
        for path in sorted((folder / IMAGES).rglob("*")):
            if path.is_file():
                yield [path.relative_to(dataset).as_posix(), file_digest(path)]


def _annotations(path: Path) -> str:
    """Labels and images of an `annotations.xml` that a pull wrote; names of tasks and colours do not count."""
    about, _, images = path.read_bytes().partition(b"</meta>")
    labels = _LABELS.search(about)
    return hashlib.sha256(_COLOUR.sub(b"", labels[0] if labels else b"") + (images or about)).hexdigest()


def _base_model(base: str) -> Any:
    """A name as it is, a file by its content, a run by its best weights."""
    path = Path(base)
    if path.is_file():
        return file_digest(path)
    if path.is_dir():
        return [
            [weights.name, file_digest(weights)] for weights in sorted((path / "checkpoints").glob("best-*.weights.h5"))
        ]
    return base
