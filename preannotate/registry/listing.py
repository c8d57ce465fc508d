"""Models and versions as a table, and as JSON."""

import json
from collections.abc import Sequence
from typing import Any

from preannotate.registry import publication
from preannotate.registry.workspace import ModelFolder, VersionFolder

_HEAD = ("MODEL", "VERSION", "CREATED", "TRAINED", "IMAGES", "MAP50", "STATE")
NOT_FINISHED, PUBLISHED, KEPT = "not finished", "published", ""


def as_json(models: Sequence[ModelFolder]) -> str:
    """All that `version.json` says, and what is published."""
    content = [
        {
            "name": model.name,
            "published": now.version if (now := publication.published(model)) else None,
            "versions": [
                {"number": version.number, "complete": version.complete, **version.record()}
                for version in model.versions()
            ],
        }
        for model in models
    ]
    return json.dumps(content, ensure_ascii=False, indent=1)


def as_table(models: Sequence[ModelFolder]) -> str:
    """A line for each version, the newest last."""
    rows = [_row(model, version) for model in models for version in model.versions()]
    if not rows:
        return "no versions yet: preannotate run makes one"
    widths = [max(len(row[column]) for row in (_HEAD, *rows)) for column in range(len(_HEAD))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in (_HEAD, *rows))
    return "\n".join(line.rstrip() for line in lines)


def _row(model: ModelFolder, version: VersionFolder) -> tuple[str, ...]:
    if not version.complete:
        return (model.name, str(version.number), "", "", "", "", NOT_FINISHED)
    record: dict[str, Any] = version.record()
    now = publication.published(model)
    images = record["images"]
    return (
        model.name,
        str(version.number),
        record["created"][:16].replace("T", " "),
        record["model"],
        f"{images.get('train', '?')}+{images.get('validation', '?')}",
        f"{record['map50']:.3f}",
        PUBLISHED if now is not None and now.version == version.number else KEPT,
    )
