"""From the file of a ready model to a model of the workspace: imported, built, verified and published."""

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from builder.build import build
from builder.function_directory import FunctionDirectory, Proof, file_digest
from builder.imports.import_model import ImportRequest
from builder.imports.label_choice import LabelChoice
from preannotate.core.published_files import KeptFile
from preannotate.model_catalogue.entries import CatalogueModel
from preannotate.model_import import import_with_proof_images
from preannotate.registry import publication, versions
from preannotate.registry.publication import Deploy
from preannotate.registry.workspace import ModelFolder, VersionFolder, Workspace


@dataclass(frozen=True)
class InstalledModel:
    """A ready model in the workspace.

    Attributes:
        version: Of the model; built and verified.
        proof: What was compared.
        labels: That the function answers with.
        published: Number of the version that CVAT gets.
        new: Whether the version was made now.
    """

    version: VersionFolder
    proof: Proof
    labels: tuple[str, ...]
    published: int | None
    new: bool


def choice_of(model: CatalogueModel, asked: LabelChoice) -> LabelChoice:
    """Return what is answered: the user's choice among the classes, or all of them.

    Raises:
        BuildError: The choice does not fit the labels.
    """
    asked.apply(model.answers)
    return LabelChoice(asked.only or model.only, asked.renamed)


def install(
    workspace: Workspace,
    model: CatalogueModel,
    file: KeptFile,
    *,
    name: str | None = None,
    choice: LabelChoice | None = None,
    proof_images: Sequence[Path] = (),
    progress: Callable[[str], None] = lambda step: None,
) -> InstalledModel:
    """Make a version of the model `name` of a ready model's file, and publish it unless another version is published.

    The same file with the same choice is not imported twice.

    Args:
        workspace: Gets the model.
        model: Of the catalogue.
        file: From `files`.
        name: None uses the catalogue's.
        choice: Of labels; None for all.
        proof_images: As in `model_import.collect_proof_images`.
        progress: Called with a description of each step.

    Raises:
        BuildError: It cannot be imported or built, or the name or the choice of labels is not allowed.
        CheckFailed: The function does not detect what the file does.
        LockedError: A run works on the model.
    """
    folder = workspace.model(name or model.name)
    fitting = choice_of(model, choice or LabelChoice())
    before = folder.path.is_dir()
    request = ImportRequest(
        file.path,
        model.labels,
        adapter=model.adapter,
        image_size=model.input_size,
        licence=model.licence,
        origin=f"{model.title}, {model.page}, {file.source}",
        accuracy=model.accuracy,
        choice=fitting,
    )
    try:
        with folder.locked():
            return _install(workspace, folder, request, _inputs(request, file, proof_images), proof_images, progress)
    finally:
        if not before and not folder.versions():  # a failed one leaves no empty model
            shutil.rmtree(folder.path, ignore_errors=True)


def _install(
    workspace: Workspace,
    folder: ModelFolder,
    request: ImportRequest,
    inputs: str,
    proof_images: Sequence[Path],
    progress: Callable[[str], None],
) -> InstalledModel:
    version = versions.choose_version(folder, inputs, restart=False).version
    new = not version.complete
    if new:
        try:
            import_with_proof_images(request, proof_images, version.run, overwrite=True, progress=progress)
            version.function.parent.mkdir(parents=True, exist_ok=True)
            build(version.run, version.function.parent, name=folder.name, overwrite=True, progress=progress)
            versions.record_version(version)
        finally:
            if not version.complete:
                shutil.rmtree(version.path, ignore_errors=True)
    if publication.published_version(folder) is None:
        publication.install(workspace, folder.name, version.number, deploy=Deploy.SERVE)
    function = FunctionDirectory.open(version.function)
    return InstalledModel(
        version, function.proof() or Proof(), function.labels, publication.published_version(folder), new
    )


def _inputs(request: ImportRequest, file: KeptFile, proof_images: Sequence[Path]) -> str:
    """Return a fingerprint of all that decides what is built."""
    chosen = request.chosen
    images = [
        file_digest(found)
        for path in proof_images
        for found in (sorted(one for one in path.rglob("*") if one.is_file()) if path.is_dir() else [path])
    ]
    content = ["catalogue", file.sha256, request.adapter, request.image_size, chosen.kept, chosen.names, images]
    return hashlib.sha256(json.dumps(content, ensure_ascii=False).encode()).hexdigest()
