"""What a version is made from, as one fingerprint: if an earlier version has the same, nothing is trained again."""

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from preannotate.cvat.dataset_folder import IMAGES, VALIDATION
from preannotate.formats.cvat_xml import FILE_NAME
from preannotate.pipeline.run_request import RunRequest
from trainer.arguments import read_arguments

# What people may change in CVAT without a box becoming another one.
_COLOUR = re.compile(rb"<color>[^<]*</color>")
_LABELS = re.compile(rb"<labels>.*</labels>", re.DOTALL)


def fingerprint(dataset: Path, request: RunRequest, options: list[str]) -> str:
    """Return the fingerprint of annotations, images and training settings; the same wherever the workspace lies.

    `--base-model previous` counts as the word alone: which version that is depends on what was trained before, and
    training a version must not make it out of date.

    Args:
        dataset: The pull.
        request: Network, arguments, base model.
        options: Of `train`, from `training_options`.

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
    for folder in (dataset, dataset / VALIDATION):
        if (folder / FILE_NAME).is_file():
            yield [folder.relative_to(dataset).as_posix(), _annotations(folder / FILE_NAME)]
            for path in sorted((folder / IMAGES).rglob("*")):
                if path.is_file():
                    yield [path.relative_to(dataset).as_posix(), _file(path)]


def _annotations(path: Path) -> str:
    """Labels and images of an `annotations.xml` that a pull wrote; names of tasks and colours do not count."""
    about, _, images = path.read_bytes().partition(b"</meta>")
    labels = _LABELS.search(about)
    return hashlib.sha256(_COLOUR.sub(b"", labels[0] if labels else b"") + (images or about)).hexdigest()


def _base_model(base: str) -> Any:
    """A name as it is, a file by its content, a run by its best weights."""
    path = Path(base)
    if path.is_file():
        return _file(path)
    if path.is_dir():
        return [[weights.name, _file(weights)] for weights in sorted((path / "checkpoints").glob("best-*.weights.h5"))]
    return base


def _file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
