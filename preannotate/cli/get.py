"""`preannotate get`."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from preannotate.cli.command import Command

if TYPE_CHECKING:
    from trainer.published_weights import Check

_MIB = 1024**2


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("what", choices=["base"], metavar="base", help="base weights, which a training starts from")
    add("model", nargs="?", metavar="MODEL", help="model whose COCO weights to download (default: list all)")
    add("--from", dest="source", type=Path, metavar="FILE", help="copy them from a .pth or .onnx file that was "
        "downloaded elsewhere")  # fmt: skip


def _run(arguments: argparse.Namespace) -> int:
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
        published_weights.fetch(arguments.model, _check(arguments.model))
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
    return f"COCO weights, kept in {published_weights.folder()}:\n{columns(rows)}"


def _described(model: str) -> str:
    from trainer.published_weights import kept

    found = kept(model)
    return f"{found.path}, {found.size / _MIB:.1f} MiB, from {found.source}" if found else "nothing"


COMMAND = Command("get", "list or get base weights to train from", _add_arguments, _run)
