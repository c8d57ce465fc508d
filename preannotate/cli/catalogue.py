"""`preannotate catalogue`: the detectors of others that `get` makes ready."""

import argparse
import contextlib
import json
from typing import TYPE_CHECKING, Any

from preannotate.cli.arguments import add_json
from preannotate.cli.command import Command

if TYPE_CHECKING:
    from preannotate.model_catalogue.entries import CatalogueModel

_MIB = 1024**2
_HEADER = ("MODEL", "FOR", "LICENCE", "SIZE", "PUBLISHED ACCURACY", "HERE")


def _run(arguments: argparse.Namespace) -> int:
    from preannotate.core.text import columns
    from preannotate.model_catalogue.entries import read_catalogue

    models = list(read_catalogue().values())
    if arguments.json:
        print(json.dumps([_to_json(model) for model in models], ensure_ascii=False, indent=1))
        return 0
    rows = [
        (model.name, model.use, model.licence, _size(model), model.accuracy or "not published", _here(model))
        for model in models
    ]
    print(columns([_HEADER, *rows]))
    print("\nget one: preannotate get MODEL [--only person,car] [--rename person=worker] [--from FILE]")
    return 0


def _size(model: "CatalogueModel") -> str:
    from preannotate.core.errors import PreannotateError
    from preannotate.model_catalogue import files

    size = model.size
    with contextlib.suppress(PreannotateError):  # the last column says it
        size = size or (found.size if (found := files.kept(model)) else None)
    return f"{size / _MIB:.1f} MiB" if size else "not known"


def _here(model: "CatalogueModel") -> str:
    from preannotate.core.errors import PreannotateError
    from preannotate.model_catalogue import files

    try:
        if files.kept(model):
            return "yes"
    except PreannotateError as error:
        return str(error)
    return "no" if model.address else "no: give your export with --from"


def _to_json(model: "CatalogueModel") -> dict[str, Any]:
    return {
        "name": model.name,
        "title": model.title,
        "use": model.use,
        "licence": model.licence,
        "page": model.page,
        "address": model.address,
        "size": model.size,
        "sha256": model.sha256,
        "accuracy": model.accuracy,
        "labels": list(model.answers),
        "here": _here(model) == "yes",
    }


COMMAND = Command("catalogue", "list ready models that need no training (see get)", add_json, _run)
