"""Models and versions as a table, and as JSON."""

import json
from collections.abc import Sequence

from preannotate.core.text import columns
from preannotate.registry import publication
from preannotate.registry.workspace import ModelFolder, VersionFolder

_HEADER = ("MODEL", "VERSION", "CREATED", "NETWORK", "IMAGES", "MAP50", "STATE")


def versions_as_json(models: Sequence[ModelFolder]) -> str:
    """Return all that `version.json` holds, and which version is published."""
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


def versions_as_table(models: Sequence[ModelFolder]) -> str:
    """Return a line for each version, the newest last."""
    rows = [_row(model, version) for model in models for version in model.versions()]
    return columns([_HEADER, *rows]) if rows else "no versions yet; create one: preannotate run"


def _row(model: ModelFolder, version: VersionFolder) -> tuple[str, ...]:
    if not version.complete:
        return (model.name, str(version.number), "", "", "", "", "not finished")
    record = version.record()
    now = publication.published(model)
    images = record["images"]
    return (
        model.name,
        str(version.number),
        record["created"][:16].replace("T", " "),
        record["model"],
        f"{images.get('train', '?')}+{images.get('validation', '?')}",
        f"{record['map50']:.3f}",
        "published" if now is not None and now.version == version.number else "",
    )
