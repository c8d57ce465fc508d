"""`preannotate get`: a ready model of the catalogue, or base weights to train from."""

import argparse
import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from preannotate.cli.arguments import add_json, add_label_choice, add_workspace, label_choice_of
from preannotate.cli.command import Command
from preannotate.core.text import first_of, plural

if TYPE_CHECKING:
    from preannotate.core.published_files import Check, KeptFile, Progress
    from preannotate.model_catalogue.entries import CatalogueModel
    from preannotate.model_catalogue.install import InstalledModel

log = logging.getLogger(__name__)

_BASE = "base"
_MIB = 1024**2
_SHOWN_LABELS = 6


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("what", metavar="NAME", help="model of `preannotate catalogue`; or `base`, then a MODEL: weights to train from")
    add("model", nargs="?", metavar="MODEL", help="after `base`: model whose COCO weights to download (default: list "
        "all)")  # fmt: skip
    add("--from", dest="source", type=Path, metavar="FILE", help="copy a file that was downloaded or exported "
        "elsewhere: .onnx, or .pth of base weights")  # fmt: skip
    add("--name", help="name of the model in the workspace and in CVAT (default: NAME)")
    add_label_choice(parser)
    add("--proof-images", type=Path, nargs="+", default=[], metavar="EXPORT", help="annotated exports or folders of "
        "photos on which the function is verified (default: synthetic images)")  # fmt: skip
    add_workspace(parser)
    add_json(parser)


def _run(arguments: argparse.Namespace) -> int:
    from preannotate.core.errors import UsageError

    if arguments.what == _BASE:
        return _get_base(arguments)
    if arguments.model is not None:
        raise UsageError(
            f"get: {arguments.what} {arguments.model}; expected one name of the catalogue, or base and a model. "
            f"Run: preannotate catalogue"
        )
    return _get_ready(arguments)


def _get_ready(arguments: argparse.Namespace) -> int:
    from preannotate.model_catalogue import entries, files
    from preannotate.model_catalogue.install import choice_of, install
    from preannotate.registry.workspace import Workspace

    model, workspace = entries.find(arguments.what), Workspace(arguments.workspace)
    choice = label_choice_of(arguments)
    choice_of(model, choice)  # before anything is downloaded
    workspace.model(arguments.name or model.name)
    notes = []
    if arguments.source is not None:
        file, note = files.bring(model, arguments.source)
        notes += [note] if note else []
    else:
        with _progress_bar(model.name) as progress:
            file = files.find_or_download(model, progress)
    _keep_as_base_weights(model, file)
    installed = install(
        workspace,
        model,
        file,
        name=arguments.name,
        choice=choice,
        proof_images=arguments.proof_images,
        progress=lambda step: print(f"{step} …", file=sys.stderr),
    )
    notes += installed.proof.notes
    print(_to_json(installed, file, notes) if arguments.json else _to_text(arguments, model, installed, file, notes))
    return 0


def _keep_as_base_weights(model: "CatalogueModel", file: "KeptFile") -> None:
    """Let trainings start from the same file, unless they have one already."""
    from preannotate.core.errors import PreannotateError
    from trainer import published_weights

    if model.base_weights is None:
        return
    # The file with the published digest needs no check, for which TensorFlow would be loaded.
    check: Check = (lambda path: None) if file.sha256 == model.sha256 else _check(model.base_weights)
    try:
        if published_weights.kept(model.base_weights) is None:
            published_weights.keep(model.base_weights, file.path, check)
    except (PreannotateError, ImportError) as error:  # the function needs neither them nor TensorFlow
        log.warning("%s: its file is not kept as base weights of %s: %s", model.name, model.base_weights, error)


def _to_json(installed: "InstalledModel", file: "KeptFile", notes: list[str]) -> str:
    content = {
        "name": installed.version.name,
        "version": installed.version.number,
        "function": str(installed.version.function),
        "published": installed.published,
        "labels": list(installed.labels),
        "sha256": file.sha256,
        "source": file.source,
        "verdict": installed.proof.verdict,
        "notes": notes,
    }
    return json.dumps(content, ensure_ascii=False)


def _to_text(
    arguments: argparse.Namespace,
    model: "CatalogueModel",
    installed: "InstalledModel",
    file: "KeptFile",
    notes: list[str],
) -> str:
    name, number = installed.version.name, installed.version.number
    figures = installed.proof.figures
    compared = max((int(one["detections"]) for one in figures.get("differences", {}).values()), default=0)
    images = "images" if arguments.proof_images else "synthetic images"
    workspace = arguments.workspace
    lines = [
        f"{name}: version {number} {'is ready' if installed.new else 'is here already'}, "
        f"{plural(len(installed.labels), 'label')}: {first_of(installed.labels, _SHOWN_LABELS)}",
        f"{model.title}, {model.licence}, from {file.source}, SHA-256 {file.sha256}",
        f"verified: {plural(compared, 'detection')} on {figures.get('images', 0)} {images} are those of the file as it "
        f"came; accuracy as published: {model.accuracy or 'none'}",
        *(f"note: {note}" for note in notes),
    ]
    if installed.published != number:
        lines.append(
            f"note: version {installed.published} of {name} is published and stays so; for this one: "
            f"preannotate publish {name} {number} --workspace {workspace}"
        )
    lines.append(f"next: preannotate serve {workspace / 'functions'} --host 0.0.0.0")
    if model.base_weights:
        lines.append(
            f"to train on corrected frames: preannotate run --name {name} --task ID --model {model.base_weights} "
            f"--workspace {workspace}"
        )
    return "\n".join(lines)


@contextmanager
def _progress_bar(name: str) -> Iterator["Progress"]:
    """Yield what shows a download on a terminal."""
    from tqdm import tqdm

    with tqdm(desc=name, unit="B", unit_scale=True, file=sys.stderr, disable=None, leave=False) as bar:

        def show(done: int, total: int | None) -> None:
            bar.total = total
            bar.n = done
            bar.refresh()

        yield show


def _get_base(arguments: argparse.Namespace) -> int:
    from preannotate.core.errors import PreannotateError, UsageError
    from trainer import published_weights

    if arguments.model is None:
        if arguments.source is not None:
            raise UsageError("--from: without a model; expected one. Run preannotate get base MODEL --from FILE.")
        print(_listing())
        return 0
    published_weights.named(arguments.model)
    if arguments.source is None:
        try:
            here = published_weights.find(arguments.model)
        except PreannotateError:  # changed, or its record is damaged: that is what a new file mends
            here = None
        if here is not None:
            print(f"{arguments.model}: already here, {_described(arguments.model)}")
            return 0
        with _progress_bar(arguments.model) as progress:
            published_weights.fetch(arguments.model, _check(arguments.model), progress)
    else:
        published_weights.keep(arguments.model, arguments.source, _check(arguments.model))
    print(f"{arguments.model}: {_described(arguments.model)}")
    return 0


def _check(model: str) -> "Check":
    """Return what reads weights of a model, and refuses those of another one."""
    from trainer.library_logging import quiet_loading

    def check(path: Path) -> None:
        with quiet_loading():  # TensorFlow takes seconds: the file is there before
            from trainer.models import MODELS
        weights = MODELS[model].weights
        assert weights is not None  # all models of the catalogue have them
        weights.read(path)

    return check


def _listing() -> str:
    from preannotate.core import published_files
    from preannotate.core.errors import PreannotateError
    from preannotate.core.text import columns
    from trainer import published_weights

    rows = []
    for model, published in published_weights.CATALOGUE.items():
        try:
            state = _described(model) if published_weights.find(model) else f"preannotate get base {model}"
        except PreannotateError as error:
            state = str(error)
        rows.append((model, published.licence, state))
    return f"COCO weights, kept in {published_files.folder()}:\n{columns(rows)}"


def _described(model: str) -> str:
    from trainer.published_weights import kept

    found = kept(model)
    return f"{found.path}, {found.size / _MIB:.1f} MiB, from {found.source}" if found else "nothing"


COMMAND = Command("get", "get a ready model of the catalogue, or base weights to train from", _add_arguments, _run)
