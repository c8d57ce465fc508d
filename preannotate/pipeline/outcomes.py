"""What is told when a run has ended: the same words by `run`, `train`, `watch` and the studio."""

import json
from pathlib import Path
from typing import Any

from preannotate.notifications.message import Message
from preannotate.pipeline.progress import Progress
from preannotate.registry.errors import WorkspaceError
from preannotate.registry.publication import history, published
from preannotate.registry.workspace import ModelFolder, VersionFolder

DONE, CHECK_FAILED, INTERRUPTED = 0, 1, 130
_MOST_LABELS = 20
_UNKNOWN = "unknown"


def of_run(model: ModelFolder, code: int, *, process: int = 0, error: str = "", link: str = "") -> Message:
    """The message about a run of `preannotate run` that has just ended.

    Args:
        model: Of the run.
        code: Exit code of the process.
        process: Its number: `progress.json` of another one is not believed. 0 believes any.
        error: What is told if the run itself wrote no reason: the last line that it printed.
        link: Where to look, of the studio or of CVAT.
    """
    try:
        progress = Progress.read(model.progress)
        if progress and process not in (0, progress.process):
            progress = None  # it ended before it wrote anything
        version = model.version(progress.version) if progress and progress.version else None
        if version is not None and version.complete and not progress.error:
            if code == DONE:
                return _ready(model, version, link)
            if code == CHECK_FAILED and not _is_published(model, version):
                return _not_published(model, version, progress, link)
    except WorkspaceError as damage:  # a file that cannot be read is one more reason to tell somebody
        return failed(model.name, str(damage), link=link)
    if code == INTERRUPTED:
        return Message(f"{model.name}: the run was stopped", "The same command goes on where it stopped.", link)
    if code == DONE:
        return Message(f"{model.name}: the run is done", "It made no new version.", link)
    reason = (progress.error if progress else "") or error or f"The run ended with exit code {code}."
    return failed(model.name, reason, link=link)


def of_training(run: Path, *, link: str = "") -> Message:
    """The message about a training of `preannotate train` that has come to its end.

    Args:
        run: RUN directory, with `summary.json`.
        link: Where to look.
    """
    try:
        summary = json.loads((run / "summary.json").read_text(encoding="utf-8"))
        scores = summary["validation"]
        facts = {
            "mAP50": _score(scores["map50"]),
            "mAP": _score(scores["mean_ap"]),
            "labels": _labels(summary["labels"]),
            "epochs": str(summary["epochs"]),
            "time": duration(summary["seconds"]),
        }
    except (OSError, ValueError, KeyError, TypeError):
        return Message(f"{run.name}: the training is done", "It left no summary that can be read.", link)
    title = f"{run.name}: trained, mAP50 {facts['mAP50']}"
    text = f"The training is done. `preannotate build {run}` makes a function of it."
    return Message(title, text, link, facts, picture(run))


def failed(name: str, reason: str, *, link: str = "") -> Message:
    """Bad news, with the sentence that says what helps.

    Args:
        name: Of the model or of the run.
        reason: Whole sentences.
        link: Where to look.
    """
    return Message(f"{name}: the run failed", reason, link, failed=True)


def picture(run: Path) -> Path | None:
    """A picture of a validation image with what was found: of those that show something, the middle one.

    Args:
        run: RUN directory.
    """
    pictures = sorted((run / "overlays").glob("*.jpg"))
    try:
        truth = json.loads((run / "export" / "validation" / "ground_truth.json").read_text(encoding="utf-8"))
        shown = {Path(image["name"]).stem for image in truth["images"] if image["boxes"]}
    except (OSError, ValueError, KeyError, TypeError):
        shown = set()
    pictures = [one for one in pictures if one.stem in shown] or pictures
    return pictures[len(pictures) // 2] if pictures else None


def duration(seconds: float) -> str:
    """For people: 45 s, 12 min, 2 h 5 min."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"


def _ready(model: ModelFolder, version: VersionFolder, link: str) -> Message:
    facts = _facts(version)
    title = f"{model.name}: version {version.number} is ready, mAP50 {facts['mAP50']}"
    if _is_published(model, version):
        facts |= _before(model, version)
        text = f"Version {version.number} is published: CVAT offers it on its Models page."
    else:
        command = f"preannotate publish {model.name} {version.number}"
        text = f"Version {version.number} is finished and not published. `{command}` lets CVAT see it."
    return Message(title, text, link, facts, picture(version.run))


def _not_published(model: ModelFolder, version: VersionFolder, progress: Progress, link: str) -> Message:
    """It is not better than the one that is published, or was taken back: the run has said which."""
    facts = _facts(version)
    said = next((stage.detail for stage in progress.stages if stage.name == "publish"), "")
    now = published(model)
    stays = f"Version {now.version} stays published." if now else "No version is published."
    text = f"{said or f'version {version.number} is not better.'}\n\n{stays}"
    title = f"{model.name}: version {version.number} is not published, mAP50 {facts['mAP50']}"
    return Message(title, text[0].upper() + text[1:], link, facts | _before(model, version), picture(version.run))


def _is_published(model: ModelFolder, version: VersionFolder) -> bool:
    now = published(model)
    return now is not None and now.version == version.number


def _facts(version: VersionFolder) -> dict[str, str]:
    record = version.record()
    images = record.get("images") or {}
    facts = {
        "mAP50": _score(record.get("map50")),
        "mAP": _score(record.get("mean_ap")),
        "model": str(record.get("model") or _UNKNOWN),
        "labels": _labels(record.get("labels") or []),
        "images": f"{images.get('train', _UNKNOWN)} for training, {images.get('validation', _UNKNOWN)} for validation",
    }
    try:
        summary = json.loads((version.run / "summary.json").read_text(encoding="utf-8"))
        facts["training took"] = duration(summary["seconds"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return facts


def _before(model: ModelFolder, version: VersionFolder) -> dict[str, str]:
    """How the version scored that was published before this one, or is published in its place."""
    earlier = [entry.version for entry in history(model) if entry.version not in (None, version.number)]
    if not earlier:
        return {}
    return {f"mAP50 of version {earlier[-1]}": _score(model.version(earlier[-1]).record().get("map50"))}


def _score(value: Any) -> str:
    return f"{value:.2f}" if isinstance(value, int | float) else _UNKNOWN


def _labels(labels: list[str]) -> str:
    more = len(labels) - _MOST_LABELS
    return ", ".join(map(str, labels[:_MOST_LABELS])) + (f" and {more} more" if more > 0 else "")
